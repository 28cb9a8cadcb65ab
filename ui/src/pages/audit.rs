//! The audit log: who asked for what, and what changed.

use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{empty, heading, loaded};
use crate::entities::by_key;
use crate::form::{plain, when};
use crate::formats::yaml;
use crate::page::{Log, Page, write_query};
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
        let offset = place.value("offset");
        async move {
            let mut pairs: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
            pairs.extend([("size", "50"), ("offset", offset.as_str())]);
            gateway.get(&format!("{}?{}", log.path(), write_query(&pairs))).await
        }
    });
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        let narrowed =
            log.filters().iter().any(|(name, _)| !place.query.with_untracked(|q| q.iter().all(|(n, _)| n != name)));
        if rows.is_empty() {
            let text = if narrowed {
                "Nothing fits this filter."
            } else {
                "Nothing is recorded. With audit_log = on the gateway records who does what."
            };
            return empty(text.to_owned(), ().into_any());
        }
        let next = page["offset"].as_str().map(|offset| {
            let mut pairs: Vec<(String, String)> = place.query.get_untracked();
            pairs.retain(|(name, _)| name != "offset");
            pairs.push(("offset".to_owned(), offset.to_owned()));
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            view! {
                <nav class="pager" aria-label="List pages">
                    <a class="button" href=Page::Audit(log).with(&pairs) rel="next">"Older"</a>
                </nav>
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
        let given: Vec<(&str, String)> = nodes
            .iter()
            .map(|(name, node)| {
                (*name, node.get_untracked().map(|input| input.value().trim().to_owned()).unwrap_or_default())
            })
            .collect();
        let pairs: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        place.go(&Page::Audit(log).with(&pairs));
    };
    let fields = inputs.into_iter().map(|(name, label, node)| {
        let id = format!("audit-{name}");
        view! {
            <div>
                <label for=id.clone()>{label}</label>
                <input id=id type="search" node_ref=node prop:value=move || place.value(name)/>
            </div>
        }
    });
    view! {
        <form class="filters" role="search" aria-label="Filter the log" on:submit=search>
            {fields.collect_view()}
            <button type="submit">"Filter"</button>
            <a class="button quiet" href=Page::Audit(log).href()>"Show all"</a>
        </form>
    }
    .into_any()
}

fn time(entry: &Value) -> String {
    when(&plain(&entry["request_timestamp"])).unwrap_or_default()
}

fn who(entry: &Value) -> String {
    entry["rbac_user_name"].as_str().map_or_else(|| "–".to_owned(), str::to_owned)
}

fn requests(rows: Vec<Value>) -> AnyView {
    let row = |entry: Value| {
        let status = entry["status"].as_i64().unwrap_or(0);
        let class = if status < 400 { "badge good" } else { "badge bad" };
        let body = entry["payload"].as_str().filter(|text| !text.is_empty()).map(|text| {
            view! { <details><summary>"Body"</summary><pre tabindex="0" aria-label="Body"><code>{text.to_owned()}</code></pre></details> }
        });
        view! {
            <tr>
                <th scope="row"><time>{time(&entry)}</time></th>
                <td>{who(&entry)}</td>
                <td><code>{plain(&entry["method"])}" "{plain(&entry["path"])}</code>{body}</td>
                <td><span class=class>{status}</span></td>
                <td>{plain(&entry["client_ip"])}</td>
            </tr>
        }
    };
    let rows = rows.into_iter().map(row).collect_view();
    table("Requests", &["Time", "User", "Request", "Status", "From"], rows.into_any())
}

fn objects(rows: Vec<Value>) -> AnyView {
    let row = |entry: Value| {
        let operation = plain(&entry["operation"]);
        let class = match operation.as_str() {
            "create" => "badge good",
            "delete" => "badge bad",
            _ => "badge",
        };
        let kind = plain(&entry["dao_name"]);
        let id = plain(&entry["entity_key"]);
        // What is still there has a page.
        let link = by_key(&kind).filter(|kind| kind.has_list() && operation != "delete");
        let what = match link {
            Some(of) => view! { <a href=Page::Detail(of, id.clone()).href()>{id.clone()}</a> }.into_any(),
            None => id.clone().into_any(),
        };
        view! {
            <tr>
                <th scope="row"><time>{time(&entry)}</time></th>
                <td>{who(&entry)}</td>
                <td><span class=class>{operation}</span></td>
                <td>{by_key(&kind).map_or(kind.clone(), |kind| kind.one.to_owned())}</td>
                <td>{what}{difference(&entry)}</td>
            </tr>
        }
    };
    let rows = rows.into_iter().map(row).collect_view();
    table("Changes", &["Time", "User", "What", "Kind", "Entity"], rows.into_any())
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
        view! { <span class=class>{format!("{mark} {text}\n")}</span> }
    };
    let lines = crate::difference::lines(&before, &after).into_iter().map(line).collect_view();
    view! {
        <details>
            <summary>"Before and after"</summary>
            <pre class="difference" tabindex="0" aria-label="Before and after"><code>{lines}</code></pre>
        </details>
    }
    .into_any()
}

fn table(caption: &'static str, head: &[&'static str], rows: AnyView) -> AnyView {
    let head = head.iter().map(|title| view! { <th scope="col">{*title}</th> }).collect_view();
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=caption>
            <table>
                <caption class="unseen">{caption}</caption>
                <thead><tr>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
