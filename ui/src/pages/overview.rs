//! The gateway at a glance.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Failure, Load, load};
use crate::chart::{duration, figure, percent};
use crate::components::{badge, column, facts_list, grid, heading, link_button, loaded, row};
use crate::entities::{EntityKind, by_key};
use crate::form::when;
use crate::page::Page;
use crate::permissions::Action;
use crate::state::{Gateway, gateway};
use crate::texts::Text;

/// Kinds that are counted.
const COUNTED: [&str; 4] = ["services", "routes", "consumers", "plugins"];
/// Pages of a thousand that are counted at most.
const PAGES: usize = 10;

/// How many there are, and whether there are more.
type Count = (usize, bool);

/// A kind, and how many of it there are.
type Counted = (&'static EntityKind, RwSignal<Load<Count>>);

/// What leads to a protected API: a kind of which there has to be one, and what it is for.
const STEPS: [(&str, Text); 4] = [
    ("services", text!("Create a Service: where your API is")),
    ("routes", text!("Give it a Route: under which path or host people reach it")),
    ("plugins", text!("Protect it with a plugin, such as key-auth")),
    ("consumers", text!("Create a Consumer and give it an API key")),
];

pub fn overview() -> AnyView {
    let gateway = gateway();
    let counted: Vec<Counted> = COUNTED
        .iter()
        .filter_map(|key| by_key(key))
        .map(|kind| {
            let state = load(move || {
                gateway.track_writes();
                count(gateway, kind)
            });
            (kind, state)
        })
        .collect();
    let tiles: Vec<AnyView> = counted.iter().map(|counted| tile(*counted)).collect();
    let status = load(move || {
        gateway.track_writes();
        async move { gateway.get("status").await }
    });
    view! {
        {heading(t!("Overview").to_owned(), Vec::new(), t!("Your gateway at a glance."), ().into_any())}
        <ul class="tiles">{tiles}</ul>
        {first_steps(gateway, counted)}
        {traffic(gateway)}
        <section class="card" aria-labelledby="overview-node">
            <h2 id="overview-node">{t!("Node")}</h2>
            {loaded(gateway.node, node)}
        </section>
        {nodes(gateway)}
        <section class="card" aria-labelledby="overview-health">
            <h2 id="overview-health">{t!("Health")}</h2>
            {loaded(status, health)}
        </section>
    }
    .into_any()
}

fn tile((kind, state): Counted) -> AnyView {
    let number = move || {
        state.with(|state| match state.ready() {
            Some((count, true)) => format!("{count}+"),
            Some((count, false)) => count.to_string(),
            None => "–".to_owned(),
        })
    };
    view! { <li><a href=Page::List(kind).href()><strong>{number}</strong>" "<span>{kind.many()}</span></a></li> }
        .into_any()
}

async fn count(gateway: Gateway, kind: &'static EntityKind) -> Result<Count, Failure> {
    let mut count = 0;
    let cut = gateway.pages(kind.path, &[], PAGES, &mut |rows| count += rows.len()).await?;
    Ok((count, cut))
}

/// What leads to a protected API, until all of it is there.
fn first_steps(gateway: Gateway, counted: Vec<Counted>) -> AnyView {
    (move || {
        let there = |key: &str| {
            let state = counted.iter().find(|(kind, _)| kind.key == key)?.1;
            state.with(|state| state.ready().map(|(count, _)| *count > 0))
        };
        let known: Option<Vec<bool>> = STEPS.iter().map(|(key, _)| there(key)).collect();
        let known = known.filter(|known| known.contains(&false) && gateway.may(Action::Create, "services"))?;
        let steps = STEPS.iter().zip(&known).filter_map(|((key, text), done)| {
            let to = if *key == "plugins" { Page::Catalogue } else { Page::Create(by_key(key)?) };
            let mark = done.then(|| badge("good", t!("Done")));
            Some(view! { <li><a href=to.href()>{text.get()}</a> " " {mark}</li> }.into_any())
        });
        let steps: Vec<AnyView> = steps.collect();
        let wizard = (!known[0]).then(|| {
            view! {
                <p>{link_button("main", Page::Wizard.href(), t!("Set up an API in one go"))}</p>
                <p>{t!("Or step by step:")}</p>
            }
        });
        Some(view! {
            <section class="card" aria-labelledby="overview-first">
                <h2 id="overview-first">{t!("First steps")}</h2>
                {wizard}
                <ol class="steps">{steps}</ol>
            </section>
        })
    })
    .into_any()
}

/// What went through in the last minutes, where the gateway remembers it and one may look.
fn traffic(gateway: Gateway) -> AnyView {
    if !gateway.may(Action::Read, "telemetry/series") {
        return ().into_any();
    }
    let state = load(move || {
        gateway.track_writes();
        super::traffic::history(gateway, "telemetry/series?range=15m&points=false")
    });
    (move || {
        let total = state.with(|state| state.ready().map(|answer| answer["total"].clone())).filter(Value::is_object)?;
        let number = |name: &str| total[name].as_f64().unwrap_or(0.0);
        let lines = vec![
            (t!("Requests/s"), figure(number("rate"))),
            (t!("Errors"), percent(number("error_rate"))),
            (t!("95 % below"), duration(total["latency"]["p95"].as_f64())),
        ];
        Some(view! {
            <section class="card" aria-labelledby="overview-traffic">
                <h2 id="overview-traffic">{t!("The last quarter of an hour")}</h2>
                {facts_list(lines)}
                <p>{link_button("", Page::Traffic.href(), t!("Live traffic"))}</p>
            </section>
        })
    })
    .into_any()
}

fn node(node: Value) -> AnyView {
    let text = |value: &Value| crate::form::plain(value);
    let configuration = &node["configuration"];
    let addresses = |name: &str| match &configuration[name] {
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    };
    facts_list(vec![
        (t!("Version"), text(&node["version"])),
        (t!("Host name"), text(&node["hostname"])),
        (t!("Node ID"), text(&node["node_id"])),
        (t!("Role"), text(&configuration["role"])),
        (
            t!("Database"),
            match configuration["database"].as_str() {
                Some("off") => t!("none (declarative configuration)").to_owned(),
                _ => text(&configuration["database"]),
            },
        ),
        (t!("Router"), text(&configuration["router_flavor"])),
        (t!("Proxy listens on"), addresses("proxy_listen")),
        (t!("Admin API listens on"), addresses("admin_listen")),
    ])
}

/// All nodes on the database, where one may look and there is one.
fn nodes(gateway: Gateway) -> AnyView {
    if !gateway.may(Action::Read, "nodes") {
        return ().into_any();
    }
    let state = load(move || async move { gateway.get("nodes").await });
    let row_of = |node: &Value| {
        let told = |name: &str| crate::form::plain(&node[name]);
        let status = match node["status"].as_str() {
            Some("up") => badge("good", t!("Up")),
            _ => badge("bad", t!("Silent")),
        };
        let heard = when(&told("last_ping")).unwrap_or_default();
        let cells = [told("ip"), told("version"), heard, told("behind")].map(IntoAny::into_any);
        row(told("hostname").into_any(), std::iter::once(status).chain(cells).collect())
    };
    (move || {
        // Without a database there is this one, which the card above tells of.
        let rows: Vec<AnyView> = state.with(|state| {
            let nodes = state.ready()?["data"].as_array()?;
            let shared = nodes.iter().any(|node| node["ip"].is_string());
            shared.then(|| nodes.iter().map(row_of).collect())
        })?;
        let head =
            [t!("Host name"), t!("Status"), t!("Address"), t!("Version"), t!("Last heard"), t!("Changes behind")];
        let list = grid(t!("Nodes").to_owned(), t!("Nodes").to_owned(), head.into_iter().map(column).collect(), rows);
        Some(view! {
            <div class="card">
                <h2>{t!("Nodes")}</h2>
                {list}
            </div>
        })
    })
    .into_any()
}

fn health(status: Value) -> AnyView {
    let reachable = match &status["database"]["reachable"] {
        Value::Bool(true) => t!("reachable").to_owned(),
        Value::Bool(false) => t!("not reachable").to_owned(),
        _ => String::new(),
    };
    let server = |name: &str| crate::form::plain(&status["server"][name]);
    facts_list(vec![
        (t!("Database"), reachable),
        (t!("Connections now"), server("connections_active")),
        (t!("Requests since start"), server("total_requests")),
        (t!("Configuration hash"), crate::form::plain(&status["configuration_hash"])),
    ])
}
