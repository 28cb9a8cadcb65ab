//! What differs between two states of entities.

use leptos::prelude::*;
use serde_json::Value;

use super::{badge, empty, loaded};
use crate::api::{Answer, load};
use crate::difference::lines;
use crate::entities::{by_key, short};
use crate::form::plain;
use crate::formats::yaml;
use crate::page::Page;

/// Text that one opens to read.
pub fn folded(title: &'static str, content: AnyView) -> AnyView {
    view! {
        <details>
            <summary>{title}</summary>
            <pre class="difference" tabindex="0" aria-label=title><code>{content}</code></pre>
        </details>
    }
    .into_any()
}

/// Two texts line by line; lines that are the same are not marked.
pub fn difference(before: &str, after: &str) -> AnyView {
    let line = |(mark, text): (char, &str)| {
        let class = match mark {
            '+' => "added",
            '-' => "removed",
            _ => "",
        };
        view! { <span class=class>{format!("{mark} {text}\n")}</span> }.into_any()
    };
    let lines: Vec<AnyView> = lines(before, after).into_iter().map(line).collect();
    folded(t!("Before and after"), lines.into_any())
}

/// What is done with an entity, as a badge.
fn operation(name: &str) -> AnyView {
    match name {
        "create" => badge("good", t!("new")),
        "delete" => badge("bad", t!("removed")),
        "update" => badge("", t!("changed")),
        other => badge("", other),
    }
}

/// Changes as `/revisions` and `/config/plan` tell them.
pub fn changes(list: &Value) -> AnyView {
    let list = list.as_array().cloned().unwrap_or_default();
    if list.is_empty() {
        return empty(t!("Nothing would be different.").to_owned(), ().into_any());
    }
    let line = |change: &Value| {
        let kind = by_key(change["entity"].as_str().unwrap_or_default());
        let of = kind.map_or_else(|| plain(&change["entity"]), |kind| kind.one().to_owned());
        let state = if change["after"].is_object() { &change["after"] } else { &change["before"] };
        let name = kind.map_or_else(|| short(&plain(&change["id"])), |kind| kind.name_of(state));
        let there = change["operation"] != "delete" && change["operation"] != "create";
        let name = match kind.filter(|kind| there && kind.has_list()) {
            Some(kind) => {
                let to = Page::Detail(kind, plain(&change["id"])).href();
                view! { <a href=to>{name}</a> }.into_any()
            }
            None => name.into_any(),
        };
        let text = |state: &Value| if state.is_object() { yaml(state) } else { String::new() };
        let fields = plain(&change["fields"]);
        view! {
            <li>
                <span>{operation(&plain(&change["operation"]))} " " {of} " " <strong>{name}</strong></span>
                <span class="muted">{fields}</span>
                {difference(&text(&change["before"]), &text(&change["after"]))}
            </li>
        }
        .into_any()
    };
    let lines: Vec<AnyView> = list.iter().map(line).collect();
    view! { <ul class="given changes">{lines}</ul> }.into_any()
}

/// How much is created, changed and removed, kind by kind.
pub fn counts(counts: &Value) -> String {
    let kinds = counts.as_object().into_iter().flatten().map(|(key, counts)| {
        let name = by_key(key).map_or(key.as_str(), |kind| kind.many());
        let parts = [("create", "+"), ("update", "±"), ("delete", "−")].into_iter().filter_map(|(operation, sign)| {
            let count = counts[operation].as_u64().filter(|count| *count > 0)?;
            Some(format!("{sign}{count}"))
        });
        format!("{name} {}", parts.collect::<Vec<_>>().join(" "))
    });
    kinds.collect::<Vec<_>>().join(", ")
}

/// The same, asked for. `path`: as for [`crate::state::Gateway::get`].
pub fn changes_of(path: String) -> AnyView {
    let gateway = crate::state::gateway();
    let state = load(move || {
        gateway.track_writes();
        let path = path.clone();
        async move {
            let answer: Answer = gateway.get(&path).await;
            answer
        }
    });
    loaded(state, |answer: Value| {
        let more = answer["next"].is_string().then(|| {
            let count = answer["changes"].as_array().map_or(0, Vec::len);
            view! { <p class="about">{t!("The first {count} are shown.", count)}</p> }
        });
        view! { {changes(&answer["changes"])} {more} }.into_any()
    })
}
