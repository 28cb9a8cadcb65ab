//! The gateway at a glance.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Failure, load};
use crate::components::{facts_list, heading, loaded};
use crate::entities::{EntityKind, by_key};
use crate::page::{Page, write_query};
use crate::permissions::Action;
use crate::state::{Gateway, gateway};

/// Kinds that are counted.
const COUNTED: [&str; 4] = ["services", "routes", "consumers", "plugins"];
/// Pages of a thousand that are counted at most.
const PAGES: usize = 10;

/// How many there are, and whether there are more.
type Count = (usize, bool);

pub fn overview() -> AnyView {
    let gateway = gateway();
    let counts = COUNTED.iter().filter_map(|key| by_key(key)).map(|kind| counter(gateway, kind)).collect_view();
    let status = load(move || {
        gateway.track_writes();
        async move { gateway.get("status").await }
    });
    view! {
        {heading("Overview".to_owned(), Vec::new(), "Your gateway at a glance.", ().into_any())}
        <ul class="tiles">{counts}</ul>
        <FirstSteps/>
        <section class="card" aria-labelledby="overview-node">
            <h2 id="overview-node">"Node"</h2>
            {loaded(gateway.node, node)}
        </section>
        <section class="card" aria-labelledby="overview-health">
            <h2 id="overview-health">"Health"</h2>
            {loaded(status, health)}
        </section>
    }
    .into_any()
}

fn counter(gateway: Gateway, kind: &'static EntityKind) -> AnyView {
    let state = load(move || {
        gateway.track_writes();
        count(gateway, kind)
    });
    let number = move || {
        state.with(|state| match state.ready() {
            Some((count, true)) => format!("{count}+"),
            Some((count, false)) => count.to_string(),
            None => "–".to_owned(),
        })
    };
    view! { <li><a href=Page::List(kind).href()><strong>{number}</strong>" "<span>{kind.many}</span></a></li> }
        .into_any()
}

async fn count(gateway: Gateway, kind: &'static EntityKind) -> Result<Count, Failure> {
    let (mut count, mut offset) = (0, String::new());
    for _ in 0..PAGES {
        let query = write_query(&[("size", "1000"), ("offset", &offset)]);
        let page = gateway.get(&format!("{}?{query}", kind.path)).await?;
        count += page["data"].as_array().map_or(0, Vec::len);
        let Some(next) = page["offset"].as_str() else { return Ok((count, false)) };
        next.clone_into(&mut offset);
    }
    Ok((count, true))
}

/// Shown while there is no Service.
#[component]
fn FirstSteps() -> impl IntoView {
    let gateway = gateway();
    let state = load(move || {
        gateway.track_writes();
        async move { gateway.get("services?size=1").await }
    });
    let needed = move || {
        let none = state.with(|s| s.ready().is_some_and(|page| page["data"].as_array().is_some_and(Vec::is_empty)));
        none && gateway.may(Action::Create, "services")
    };
    let step = |key: &str, text: &'static str| {
        by_key(key).map(|kind| view! { <li><a href=Page::Create(kind).href()>{text}</a></li> })
    };
    move || {
        needed().then(|| {
            view! {
                <section class="card" aria-labelledby="overview-first">
                    <h2 id="overview-first">"First steps"</h2>
                    <p><a class="button main" href=Page::Wizard.href()>"Set up an API in one go"</a></p>
                    <p>"Or step by step:"</p>
                    <ol>
                        {step("services", "Create a Service: where your API is")}
                        {step("routes", "Give it a Route: under which path or host people reach it")}
                        <li><a href=Page::Catalogue.href()>"Protect it with a plugin, such as key-auth"</a></li>
                        {step("consumers", "Create a Consumer and give it an API key")}
                    </ol>
                </section>
            }
        })
    }
}

fn node(node: Value) -> AnyView {
    let text = |value: &Value| crate::form::plain(value);
    let configuration = &node["configuration"];
    let addresses = |name: &str| match &configuration[name] {
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    };
    facts_list(vec![
        ("Version", text(&node["version"])),
        ("Host name", text(&node["hostname"])),
        ("Node ID", text(&node["node_id"])),
        ("Role", text(&configuration["role"])),
        (
            "Database",
            match configuration["database"].as_str() {
                Some("off") => "none (declarative configuration)".to_owned(),
                _ => text(&configuration["database"]),
            },
        ),
        ("Router", text(&configuration["router_flavor"])),
        ("Proxy listens on", addresses("proxy_listen")),
        ("Admin API listens on", addresses("admin_listen")),
    ])
}

fn health(status: Value) -> AnyView {
    let reachable = match &status["database"]["reachable"] {
        Value::Bool(true) => "reachable".to_owned(),
        Value::Bool(false) => "not reachable".to_owned(),
        _ => String::new(),
    };
    let server = |name: &str| crate::form::plain(&status["server"][name]);
    facts_list(vec![
        ("Database", reachable),
        ("Connections now", server("connections_active")),
        ("Requests since start", server("total_requests")),
        ("Configuration hash", crate::form::plain(&status["configuration_hash"])),
    ])
}
