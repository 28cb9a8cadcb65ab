//! The audit log: who asked for what, and what changed.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{badge, column, difference, empty, filter_form, folded, grid, heading, loaded, row};
use crate::entities::by_key;
use crate::form::plain;
use crate::formats::yaml;
use crate::page::{Log, Page, write_query};
use crate::pages::changed;
use crate::state::{gateway, location};
use crate::texts::Text;

impl Log {
    fn path(self) -> &'static str {
        match self {
            Self::Requests => "audit/requests",
            Self::Objects => "audit/objects",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Requests => t!("Requests"),
            Self::Objects => t!("Changes"),
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Requests => t!("Who asked the Admin API for what, latest first."),
            Self::Objects => t!("What was made, changed and removed, with what it was before."),
        }
    }

    /// What it is narrowed by: name of the argument, and what people call it.
    fn filters(self) -> &'static [(&'static str, Text)] {
        match self {
            Self::Requests => &[
                ("rbac_user_name", text!("User")),
                ("method", text!("Method")),
                ("status", text!("Status")),
                ("path", text!("Path")),
            ],
            Self::Objects => &[
                ("rbac_user_name", text!("User")),
                ("dao_name", text!("Kind")),
                ("operation", text!("Operation")),
                ("entity_key", text!("Entity ID")),
            ],
        }
    }
}

pub fn audit(log: Log) -> AnyView {
    let (gateway, place) = (gateway(), location());
    let state = load(move || {
        let given: Vec<(&str, String)> = log.filters().iter().map(|(name, _)| (*name, place.value(name))).collect();
        let (offset, query) = (place.value("offset"), place.query.get());
        async move {
            let mut pairs: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
            pairs.extend([("size", "50"), ("offset", offset.as_str())]);
            Ok((query, gateway.get(&format!("{}?{}", log.path(), write_query(&pairs))).await?))
        }
    });
    let show = move |(query, page): (Vec<(String, String)>, Value)| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        let narrowed = log.filters().iter().any(|(name, _)| query.iter().any(|(n, _)| n == name));
        if rows.is_empty() {
            let text = if narrowed {
                t!("Nothing fits this filter.")
            } else {
                t!("Nothing is recorded. With audit_log = on the gateway records who does what.")
            };
            return empty(text.to_owned(), ().into_any());
        }
        let next = page["offset"].as_str().map(|offset| {
            let to = Page::Audit(log).with(&changed(&query, &[("offset", offset)]));
            view! {
                <nav class="pager" aria-label=t!("List pages")><a class="button" href=to rel="next">{t!("Older")}</a></nav>
            }
        });
        let list = match log {
            Log::Requests => requests(rows),
            Log::Objects => objects(rows),
        };
        view! { {list} {next} }.into_any()
    };
    view! {
        {heading(log.title().to_owned(), Vec::new(), log.about(), ().into_any())}
        {filter_form(t!("Filter the log"), "audit", log.filters(), None, Page::Audit(log))}
        {loaded(state, show)}
    }
    .into_any()
}

fn time(entry: &Value) -> AnyView {
    crate::components::time(&plain(&entry["request_timestamp"]))
}

fn who(entry: &Value) -> String {
    entry["rbac_user_name"].as_str().map_or_else(|| "–".to_owned(), str::to_owned)
}

fn requests(rows: Vec<Value>) -> AnyView {
    let row_of = |entry: Value| {
        let status = entry["status"].as_i64().unwrap_or(0);
        let body = entry["payload"]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(|text| folded(t!("Body"), text.to_owned().into_any()));
        let asked = format!("{} {}", plain(&entry["method"]), plain(&entry["path"]));
        let cells = vec![
            who(&entry).into_any(),
            view! { <code>{asked}</code> {body} }.into_any(),
            badge(if status < 400 { "good" } else { "bad" }, status.to_string()),
            plain(&entry["client_ip"]).into_any(),
        ];
        row(time(&entry), cells)
    };
    table(
        t!("Requests"),
        &[t!("Time"), t!("User"), t!("Request"), t!("Status"), t!("From")],
        rows.into_iter().map(row_of).collect(),
    )
}

fn objects(rows: Vec<Value>) -> AnyView {
    let row_of = |entry: Value| {
        let operation = plain(&entry["operation"]);
        let sort = match operation.as_str() {
            "create" => "good",
            "delete" => "bad",
            _ => "",
        };
        let kind = plain(&entry["dao_name"]);
        let id = plain(&entry["entity_key"]);
        // What is still there has a page.
        let link = by_key(&kind).filter(|kind| kind.has_list() && operation != "delete");
        let what = match link {
            Some(of) => {
                let to = Page::Detail(of, id.clone()).href();
                view! { <a href=to>{id}</a> }.into_any()
            }
            None => id.into_any(),
        };
        let cells = vec![
            who(&entry).into_any(),
            badge(sort, operation),
            by_key(&kind).map_or(kind.clone(), |kind| kind.one().to_owned()).into_any(),
            view! { {what} {compared(&entry)} }.into_any(),
        ];
        row(time(&entry), cells)
    };
    table(
        t!("Changes"),
        &[t!("Time"), t!("User"), t!("What"), t!("Kind"), t!("Entity")],
        rows.into_iter().map(row_of).collect(),
    )
}

/// An entity before and after, line by line; lines that are the same are not marked.
fn compared(entry: &Value) -> AnyView {
    let read = |name: &str| entry[name].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let text = |value: &Option<Value>| value.as_ref().map(yaml).unwrap_or_default();
    let (before, after) = (text(&read("entity_before")), text(&read("entity")));
    if before.is_empty() && after.is_empty() {
        return ().into_any();
    }
    // A removed entity is recorded as it was last.
    let (before, after) = match entry["operation"].as_str() {
        Some("delete") if before.is_empty() => (after, String::new()),
        Some("delete") => (before, String::new()),
        _ => (before, after),
    };
    difference(&before, &after)
}

fn table(caption: &'static str, head: &[&'static str], rows: Vec<AnyView>) -> AnyView {
    grid(caption.to_owned(), caption.to_owned(), head.iter().map(|title| column(*title)).collect(), rows)
}
