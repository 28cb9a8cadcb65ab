//! Requests that were kept.

use leptos::prelude::*;
use serde_json::Value;

use super::{history, linked, off};
use crate::api::load;
use crate::chart::duration;
use crate::components::{badge, column, empty, filter_form, grid, heading, loaded, row};
use crate::form::when;
use crate::page::{Page, write_query};
use crate::pages::changed;
use crate::state::{gateway, location};
use crate::texts::Text;

/// What they are narrowed by: name of the argument, and what people call it.
const FILTERS: [(&str, Text); 6] = [
    ("route", text!("Route")),
    ("service", text!("Service")),
    ("consumer", text!("Consumer")),
    ("status", text!("Status")),
    ("min_duration", text!("At least (ms)")),
    ("trace_id", text!("Trace ID")),
];

pub fn traces() -> AnyView {
    let (gateway, place) = (gateway(), location());
    let state = load(move || {
        gateway.track_writes();
        let query = place.query.get();
        async move {
            let known = |name: &str| FILTERS.iter().any(|(one, _)| *one == name) || ["kept", "offset"].contains(&name);
            let mut pairs: Vec<(&str, &str)> = vec![("size", "50")];
            pairs.extend(query.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(name, _)| known(name)));
            let page = history(gateway, &format!("telemetry/traces?{}", write_query(&pairs))).await?;
            Ok((query, page))
        }
    });
    let about =
        t!("Requests that were kept: failed ones, slow ones, and a few per second of the others, latest first.");
    view! {
        {heading(t!("Traces").to_owned(), Vec::new(), about, ().into_any())}
        {filters()}
        {loaded(state, show)}
    }
    .into_any()
}

fn filters() -> AnyView {
    let options = vec![("", t!("all")), ("failed", t!("failed")), ("slow", t!("slow")), ("sampled", t!("sampled"))];
    let kept = ("kept", t!("Kept because"), options);
    filter_form(t!("Filter the traces"), "traces", &FILTERS, Some(kept), Page::Traces)
}

/// A badge for a status.
pub fn status(status: &Value) -> AnyView {
    let number = status.as_i64().unwrap_or(0);
    badge(
        if number == 0 || number >= 500 {
            "bad"
        } else if number >= 400 {
            "off"
        } else {
            "good"
        },
        number.to_string(),
    )
}

/// Why it is here.
fn reason(kept: &Value) -> &'static str {
    match kept.as_str().unwrap_or_default() {
        "failed" => t!("failed"),
        "slow" => t!("slow"),
        _ => t!("sampled"),
    }
}

fn show((query, page): (Vec<(String, String)>, Value)) -> AnyView {
    if page.is_null() {
        return off();
    }
    let list = page["data"].as_array().cloned().unwrap_or_default();
    if list.is_empty() {
        let text = match query.is_empty() {
            true => t!("No request was kept yet. Send one, and look again."),
            false => t!("Nothing fits this filter."),
        };
        return empty(text.to_owned(), ().into_any());
    }
    let row_of = |trace: &Value| {
        let text = |name: &str| trace[name].as_str().unwrap_or_default().to_owned();
        let to = Page::Trace(text("id")).href();
        let time = when(&trace["at"].to_string()).unwrap_or_default();
        let asked = format!("{} {}{}", text("method"), text("host"), text("path"));
        let cells = vec![
            view! { <code>{asked}</code> }.into_any(),
            status(&trace["status"]),
            duration(trace["duration"].as_f64()).into_any(),
            linked("routes", &trace["route"]),
            linked("consumers", &trace["consumer"]),
            reason(&trace["kept"]).into_any(),
        ];
        row(view! { <a href=to><time>{time}</time></a> }.into_any(), cells)
    };
    let head =
        [t!("Time"), t!("Request"), t!("Status"), t!("Duration"), t!("Route"), t!("Consumer"), t!("Kept because")];
    let head = head.into_iter().map(column).collect();
    let next = page["offset"].as_str().map(|offset| {
        let to = Page::Traces.with(&changed(&query, &[("offset", offset)]));
        view! { <nav class="pager" aria-label=t!("List pages")><a class="button" href=to rel="next">{t!("Older")}</a></nav> }
    });
    let rows = list.iter().map(row_of).collect();
    view! { {grid(t!("Traces").to_owned(), t!("Traces").to_owned(), head, rows)} {next} }.into_any()
}
