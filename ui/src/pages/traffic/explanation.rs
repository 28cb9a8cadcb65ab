//! Why a request goes where it goes: the answer of `/debug/route-match`.

use leptos::prelude::*;
use serde_json::Value;

use super::linked;
use crate::components::{badge, column, facts_list, grid, row};
use crate::form::{label, plain};

/// All that the router and the configuration say of a request.
pub fn explanation(answer: &Value) -> AnyView {
    view! {
        <div class="card">{matched(answer)}</div>
        {misses(answer)}
        {plugins(answer)}
        {upstream(answer)}
    }
    .into_any()
}

fn matched(answer: &Value) -> AnyView {
    let matched = &answer["matched"];
    let own = own(answer);
    if matched.is_null() {
        let text = match answer["elsewhere"] == true {
            true => t!("A Route of another Workspace takes this request."),
            false => t!("No Route takes this request."),
        };
        return view! { <p>{badge("bad", text)}</p> {own} }.into_any();
    }
    let lines = vec![
        (t!("Path that fits"), plain(&matched["matched_path"])),
        (t!("Taken off"), plain(&matched["stripped"])),
        (t!("Expression"), plain(&matched["route"]["expression"])),
        (t!("Priority"), plain(&matched["route"]["priority"])),
    ];
    view! {
        <p>
            {badge("good", t!("Route"))} " " {linked("routes", &matched["route"])} " · " {t!("Service")} ": "
            {linked("services", &matched["service"])}
        </p>
        {own}
        {criteria(t!("Criteria"), &matched["criteria"])}
        {facts_list(lines)}
    }
    .into_any()
}

/// What the gateway answers without asking anybody.
fn own(answer: &Value) -> Option<AnyView> {
    let own = answer["answer"].as_object()?;
    let text = |name: &str| own.get(name).map(plain).unwrap_or_default();
    let words = format!("{} {} {}", text("status"), text("message"), text("location"));
    Some(view! { <p>{t!("The gateway answers by itself:")} " " <code>{words}</code></p> }.into_any())
}

/// A criterion's name: a field of Routes.
fn field(criterion: &Value) -> String {
    match criterion.as_str().unwrap_or_default() {
        "order" => t!("Order of the Routes").to_owned(),
        name => {
            name.strip_prefix("headers.").map_or_else(|| label(name), |name| format!("{}: {name}", label("headers")))
        }
    }
}

fn criteria(title: &'static str, list: &Value) -> AnyView {
    let line = |one: &Value| {
        let held = match one["held"] == true {
            true => badge("good", t!("Yes")),
            false => badge("bad", t!("No")),
        };
        let cells =
            vec![plain(&one["wanted"]).into_any(), plain(&one["given"]).into_any(), held, plain(&one["by"]).into_any()];
        row(field(&one["criterion"]).into_any(), cells)
    };
    let rows: Vec<AnyView> = list.as_array().into_iter().flatten().map(line).collect();
    if rows.is_empty() {
        return ().into_any();
    }
    let head = [t!("Criterion"), t!("Wanted"), t!("Given"), t!("Held"), t!("By")].map(column).into();
    grid(title.to_owned(), title.to_owned(), head, rows)
}

fn misses(answer: &Value) -> AnyView {
    let list = answer["near_misses"].as_array().cloned().unwrap_or_default();
    let miss = |miss: &Value| {
        let failed = &miss["failed"];
        let why = match failed["criterion"] == "order" {
            true => t!("It fits too, and comes later in the order.").to_owned(),
            false => t!(
                "{field}: wanted {wanted}, given {given}",
                field = field(&failed["criterion"]),
                wanted = plain(&failed["wanted"]),
                given = Some(plain(&failed["given"])).filter(|text| !text.is_empty()).unwrap_or_else(|| "–".to_owned())
            ),
        };
        view! { <li><span>{linked("routes", &miss["route"])}</span><span class="muted">{why}</span></li> }.into_any()
    };
    let misses: Vec<AnyView> = list.iter().map(miss).collect();
    if misses.is_empty() {
        return ().into_any();
    }
    view! {
        <section class="card" aria-labelledby="near-misses">
            <h2 id="near-misses">{t!("Near misses")}</h2>
            <ul class="given">{misses}</ul>
        </section>
    }
    .into_any()
}

fn plugins(answer: &Value) -> AnyView {
    let line = |plugin: &Value| {
        let cells = vec![
            plain(&plugin["scope"]).into_any(),
            plain(&plugin["phases"]).into_any(),
            plain(&plugin["priority"]).into_any(),
        ];
        row(linked("plugins", plugin), cells)
    };
    let rows: Vec<AnyView> = answer["plugins"].as_array().into_iter().flatten().map(line).collect();
    if rows.is_empty() {
        return view! { <p class="about">{t!("No plugin runs for it.")}</p> }.into_any();
    }
    let head = [t!("Plugin"), t!("From"), t!("Phases"), t!("Priority")].map(column).into();
    let title = t!("Plugins in the order in which they run");
    view! {
        <div class="part">
            <h2>{title}</h2>
            {grid(title.to_owned(), title.to_owned(), head, rows)}
        </div>
    }
    .into_any()
}

fn upstream(answer: &Value) -> AnyView {
    let upstream = &answer["upstream"];
    if upstream.is_null() {
        return ().into_any();
    }
    let lines = vec![
        (t!("Address"), plain(&upstream["url"])),
        (t!("Host header"), plain(&upstream["host_header"])),
        (t!("Targets"), plain(&upstream["targets"])),
        (t!("Further tries"), plain(&upstream["retries"])),
        (t!("Consumer"), plain(&answer["consumer"]["username"])),
    ];
    let link = (!upstream["upstream"].is_null()).then(|| {
        view! { <p>{t!("Upstream")} ": " {linked("upstreams", &upstream["upstream"])}</p> }
    });
    view! {
        <section class="card" aria-labelledby="route-upstream">
            <h2 id="route-upstream">{t!("Where it is sent")}</h2>
            {link}
            {facts_list(lines)}
        </section>
    }
    .into_any()
}
