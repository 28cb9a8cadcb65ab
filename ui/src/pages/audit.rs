//! The audit log: who asked for what, and what changed.

use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{Line, badge, column, empty, grid, heading, link_button, loaded, row, typed};
use crate::entities::by_key;
use crate::form::{plain, when};
use crate::formats::yaml;
use crate::page::{Log, Page, write_query};
use crate::pages::changed;
use crate::state::{gateway, location};

impl Log {
    fn path(self) -> &'static str {
        match self {
            Self::Requests => "audit/requests",
            Self::Objects => "audit/objects",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Requests => "Requests",
            Self::Objects => "Changes",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Requests => "Who asked the Admin API for what, latest first.",
            Self::Objects => "What was made, changed and removed, with what it was before.",
        }
    }

    /// What it is narrowed by: name of the argument, and what people call it.
    fn filters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Requests => {
                &[("rbac_user_name", "User"), ("method", "Method"), ("status", "Status"), ("path", "Path")]
            }
            Self::Objects => &[
                ("rbac_user_name", "User"),
                ("dao_name", "Kind"),
                ("operation", "Operation"),
                ("entity_key", "Entity ID"),
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
                "Nothing fits this filter."
            } else {
                "Nothing is recorded. With audit_log = on the gateway records who does what."
            };
            return empty(text.to_owned(), ().into_any());
        }
        let next = page["offset"].as_str().map(|offset| {
            let to = Page::Audit(log).with(&changed(&query, &[("offset", offset)]));
            view! {
                <nav class="pager" aria-label="List pages"><a class="button" href=to rel="next">"Older"</a></nav>
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
        {filters(log)}
        {loaded(state, show)}
    }
    .into_any()
}

fn filters(log: Log) -> AnyView {
    let place = location();
    let inputs: Vec<_> =
        log.filters().iter().map(|(name, label)| (*name, *label, NodeRef::<html::Input>::new())).collect();
    let nodes: Vec<_> = inputs.iter().map(|(name, _, node)| (*name, *node)).collect();
    let search = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let given: Vec<(&str, String)> = nodes.iter().map(|(name, node)| (*name, typed(*node))).collect();
        let pairs: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        place.go(&Page::Audit(log).with(&pairs));
    };
    let fields = move || {
        let fields = inputs.iter().map(|(name, label, node)| {
            let line = Line {
                id: format!("audit-{name}"),
                label,
                kind: "search",
                start: place.value(name),
                ..Line::default()
            };
            line.view(*node)
        });
        fields.collect::<Vec<AnyView>>()
    };
    view! {
        <form class="filters" role="search" aria-label="Filter the log" on:submit=search>
            {fields}
            <button type="submit">"Filter"</button>
            {link_button("quiet", Page::Audit(log).href(), "Show all")}
        </form>
    }
    .into_any()
}

fn time(entry: &Value) -> AnyView {
    let time = when(&plain(&entry["request_timestamp"])).unwrap_or_default();
    view! { <time>{time}</time> }.into_any()
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
            .map(|text| folded("Body", text.to_owned().into_any()));
        let asked = format!("{} {}", plain(&entry["method"]), plain(&entry["path"]));
        let cells = vec![
            who(&entry).into_any(),
            view! { <code>{asked}</code> {body} }.into_any(),
            badge(if status < 400 { "good" } else { "bad" }, status.to_string()),
            plain(&entry["client_ip"]).into_any(),
        ];
        row(time(&entry), cells)
    };
    table("Requests", &["Time", "User", "Request", "Status", "From"], rows.into_iter().map(row_of).collect())
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
            by_key(&kind).map_or(kind.clone(), |kind| kind.one.to_owned()).into_any(),
            view! { {what} {difference(&entry)} }.into_any(),
        ];
        row(time(&entry), cells)
    };
    table("Changes", &["Time", "User", "What", "Kind", "Entity"], rows.into_iter().map(row_of).collect())
}

/// Text that one opens to read.
fn folded(title: &'static str, content: AnyView) -> AnyView {
    view! {
        <details>
            <summary>{title}</summary>
            <pre class="difference" tabindex="0" aria-label=title><code>{content}</code></pre>
        </details>
    }
    .into_any()
}

/// An entity before and after, line by line; lines that are the same are not marked.
fn difference(entry: &Value) -> AnyView {
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
    let line = |(mark, text): (char, &str)| {
        let class = match mark {
            '+' => "added",
            '-' => "removed",
            _ => "",
        };
        view! { <span class=class>{format!("{mark} {text}\n")}</span> }.into_any()
    };
    let lines: Vec<AnyView> = crate::difference::lines(&before, &after).into_iter().map(line).collect();
    folded("Before and after", lines.into_any())
}

fn table(caption: &'static str, head: &[&'static str], rows: Vec<AnyView>) -> AnyView {
    grid(caption.to_owned(), caption.to_owned(), head.iter().map(|title| column(*title)).collect(), rows)
}
