//! A member of an entity in a list.

use leptos::prelude::*;
use serde_json::Value;

use super::{badge, time};
use crate::entities::by_key;
use crate::form::plain;
use crate::page::Page;
use crate::state::gateway;

/// A link to an entity, by its name as soon as that is known.
pub fn entity_link(kind: &str, id: &str) -> AnyView {
    let gateway = gateway();
    gateway.names.want(gateway, kind);
    let (of, this) = (kind.to_owned(), id.to_owned());
    let text = move || gateway.names.of(&of, &this);
    match by_key(kind) {
        Some(kind) => view! { <a href=Page::Detail(kind, id.to_owned()).href()>{text}</a> }.into_any(),
        None => view! { <span>{text}</span> }.into_any(),
    }
}

/// Tags as badges, references as links, the rest as text.
pub fn cell(column: &str, value: &Value) -> AnyView {
    match (column, value) {
        (_, Value::Null) => view! { <span class="muted" aria-label=t!("not set")>"–"</span> }.into_any(),
        ("enabled", Value::Bool(on)) => {
            if *on {
                badge("good", t!("Enabled"))
            } else {
                badge("off", t!("Disabled"))
            }
        }
        ("status", Value::Number(_)) => super::invitation::standing(value),
        (_, Value::Number(seconds)) if column.ends_with("_at") => time(&seconds.to_string()),
        ("metadata.expiry", seconds) => super::certificate::expiry(seconds),
        ("tags", Value::Array(tags)) => {
            let tags: Vec<AnyView> = tags.iter().map(|tag| badge("", plain(tag))).collect();
            view! { <span class="badges">{tags}</span> }.into_any()
        }
        (_, Value::Object(reference)) if reference.len() == 1 && value["id"].is_string() => {
            let kind = match column {
                "certificate" | "client_certificate" => "certificates".to_owned(),
                "set" => "key_sets".to_owned(),
                other => format!("{other}s"),
            };
            entity_link(&kind, value["id"].as_str().unwrap_or_default())
        }
        (_, value) => view! { <span class="value">{plain(value)}</span> }.into_any(),
    }
}
