//! What goes through the gateway.

mod explanation;
mod first;
mod live;
mod tester;
mod topology;
mod trace;
mod traces;

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Answer, Failure};
use crate::components::empty;
use crate::entities::by_key;
use crate::page::Page;
use crate::state::Gateway;

pub use first::first_trace;
pub use live::live;
pub use tester::tester;
pub use topology::topology;
pub use trace::trace;
pub use traces::traces;

/// Asks for something of the history; null where the gateway keeps none.
pub async fn history(gateway: Gateway, path: &str) -> Answer {
    match gateway.get(path).await {
        Err(Failure { status: 404 | 503, .. }) => Ok(Value::Null),
        answer => answer,
    }
}

/// What is said where the gateway keeps no history.
fn off() -> AnyView {
    let text = t!("This gateway keeps no history of its traffic. With telemetry_history = on it does.");
    empty(text.to_owned(), ().into_any())
}

/// A link to an entity told as `{"id": …, "name": …}`; text where it has no page.
fn linked(kind: &str, entity: &Value) -> AnyView {
    let id = entity["id"].as_str().unwrap_or_default();
    let name = ["name", "username"].iter().find_map(|name| entity[*name].as_str());
    let text = name.map_or_else(|| crate::entities::short(id), str::to_owned);
    match by_key(kind).filter(|_| !id.is_empty() && entity["gone"] != true) {
        Some(kind) => view! { <a href=Page::Detail(kind, id.to_owned()).href()>{text}</a> }.into_any(),
        None if text.is_empty() => "–".into_any(),
        None => text.into_any(),
    }
}

/// A choice that stands in the address: links, of which one is where one is.
fn choice(label: &'static str, options: Vec<(String, &'static str, bool)>) -> AnyView {
    let options: Vec<AnyView> = options
        .into_iter()
        .map(|(to, text, here)| {
            view! { <a class="button" href=to aria-current=here.then_some("true")>{text}</a> }.into_any()
        })
        .collect();
    view! { <div class="choices" role="group" aria-label=label>{options}</div> }.into_any()
}
