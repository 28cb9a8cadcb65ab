//! Rates, latencies and errors, as they are now and as they were.

use std::time::Duration;

use leptos::prelude::*;
use serde_json::Value;

use super::{choice, history, linked, off};
use crate::api::load;
use crate::chart::{Series, ceiling, duration, figure, percent, spark, svg};
use crate::components::{button, heading, loaded};
use crate::form::when;
use crate::order::sort_by;
use crate::page::{Page, encode, write_query};
use crate::pages::changed;
use crate::state::location;
use crate::texts::Text;

/// How long one looks back.
const RANGES: [&str; 6] = ["5m", "15m", "1h", "6h", "1d", "7d"];
/// Kinds of rows: as the Admin API names them, the kind that has their pages, and what people call them.
const KINDS: [(&str, &str, Text); 4] = [
    ("route", "routes", text!("Routes")),
    ("service", "services", text!("Services")),
    ("consumer", "consumers", text!("Consumers")),
    ("target", "targets", text!("Targets")),
];
/// Columns with figures: what they are sorted by, and their heads.
const COLUMNS: [(&str, Text); 5] = [
    ("rate", text!("Requests/s")),
    ("error_rate", text!("Errors")),
    ("p50", text!("p50")),
    ("p95", text!("p95")),
    ("p99", text!("p99")),
];
/// How often one asks.
const PACE: Duration = Duration::from_secs(3);

/// An answer, and the one about as long before.
type Measured = (Vec<(String, String)>, Value, Value);

pub fn live() -> AnyView {
    let (gateway, place) = (crate::state::gateway(), location());
    let (paused, tick) = (RwSignal::new(false), RwSignal::new(0_u32));
    let beat = set_interval_with_handle(
        move || {
            if !paused.get_untracked() && !document().hidden() {
                tick.try_update(|tick| *tick += 1);
            }
        },
        PACE,
    );
    on_cleanup(move || {
        if let Ok(beat) = beat {
            beat.clear();
        }
    });
    let state = load(move || {
        tick.track();
        let query = place.query.get();
        async move {
            let value = |name: &str| query.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
            let (range, by) = (or(value("range"), "15m"), or(value("by"), KINDS[0].0));
            let pairs = [("by", by), ("id", value("id")), ("range", range)];
            let now = history(gateway, &format!("telemetry/series?{}", write_query(&pairs))).await?;
            let before = match (value("compare"), now["from"].as_f64()) {
                ("", _) | (_, None) => Value::Null,
                (_, Some(from)) => {
                    let until = from.to_string();
                    let pairs = [("id", value("id")), ("by", by), ("range", range), ("until", until.as_str())];
                    history(gateway, &format!("telemetry/series?{}", write_query(&pairs))).await?
                }
            };
            Ok((query, now, before))
        }
    });
    let pause = move || {
        let text = if paused.get() { t!("Go on") } else { t!("Pause") };
        button("", text, None, move || paused.update(|paused| *paused = !*paused))
    };
    let about = t!("Rates, latencies and errors of this node, from the last seconds to the last week.");
    view! {
        {heading(t!("Live traffic").to_owned(), Vec::new(), about, pause.into_any())}
        {move || controls(&place.query.get())}
        {loaded(state, show)}
    }
    .into_any()
}

fn or<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> &'q str {
    query.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

/// An address of this page with some of the query changed.
fn to(query: &[(String, String)], with: &[(&str, &str)]) -> String {
    Page::Traffic.with(&changed(query, with))
}

fn controls(query: &[(String, String)]) -> AnyView {
    let (range, by) = (or(value(query, "range"), "15m"), or(value(query, "by"), KINDS[0].0));
    let ranges = RANGES.map(|one| (to(query, &[("range", one)]), one, one == range)).into();
    let kinds = KINDS.map(|(key, _, text)| (to(query, &[("by", key), ("id", "")]), text.get(), key == by)).into();
    let compares = !value(query, "compare").is_empty();
    let compare = (to(query, &[("compare", if compares { "" } else { "1" })]), t!("Compare with before"), compares);
    let all = (!value(query, "id").is_empty()).then(|| {
        view! { <p><a href=to(query, &[("id", "")])>{t!("Show all again")}</a></p> }
    });
    view! {
        <div class="controls">
            {choice(t!("Time range"), ranges)}
            {choice(t!("Rows"), kinds)}
            {choice(t!("Comparison"), vec![compare])}
        </div>
        {all}
    }
    .into_any()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn show((query, now, before): Measured) -> AnyView {
    if now.is_null() {
        return off();
    }
    // One row alone takes the place of the total.
    let chosen = |answer: &Value| match value(&query, "id") {
        "" => answer["total"].clone(),
        id => {
            let rows = answer["series"].as_array().into_iter().flatten();
            rows.into_iter().find(|row| row["id"] == id).unwrap_or(&Value::Null).clone()
        }
    };
    let (total, past) = (chosen(&now), chosen(&before));
    view! { {tiles(&now, &total)} {charts(&now, &total, &past)} {rows(&query, &now)} }.into_any()
}

fn tiles(now: &Value, total: &Value) -> AnyView {
    let latency = |name: &str| duration(total["latency"][name].as_f64());
    let mut tiles = vec![
        (t!("Requests/s"), figure(number(&total["rate"]))),
        (t!("Errors"), percent(number(&total["error_rate"]))),
        (t!("Median"), latency("p50")),
        (t!("95 % below"), latency("p95")),
        (t!("99 % below"), latency("p99")),
        (t!("Upstreams"), duration(total["upstream"].as_f64())),
        (t!("Gateway"), duration(total["gateway"].as_f64())),
    ];
    if let Some(serving) = now["in_flight"].as_f64() {
        tiles.push((t!("Being served"), figure(serving)));
    }
    let tile = |(name, text): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{text}</dd></div> }.into_any();
    let tiles: Vec<AnyView> = tiles.into_iter().map(tile).collect();
    view! { <dl class="figures">{tiles}</dl> }.into_any()
}

/// A list of `points`; `per`: what each is divided by.
fn points(row: &Value, name: &str, per: f64) -> Vec<Option<f64>> {
    let list = row["points"][name].as_array().into_iter().flatten();
    list.map(|point| point.as_f64().map(|value| value / per)).collect()
}

fn charts(now: &Value, total: &Value, past: &Value) -> AnyView {
    let step = number(&now["step"]).max(1.0);
    let line = |name: &str, values| Series { name: name.to_owned(), values };
    let mut rates = vec![
        line(t!("Requests/s"), points(total, "requests", step)),
        line(t!("Errors/s"), points(total, "errors", step)),
        line(t!("Refused/s"), points(total, "client_errors", step)),
    ];
    let mut latencies: Vec<Series> =
        ["p50", "p95", "p99"].iter().map(|name| line(name, points(total, name, 1.0))).collect();
    if !past.is_null() {
        rates.push(line(t!("Requests/s before"), points(past, "requests", step)));
        latencies.push(line(t!("p95 before"), points(past, "p95", 1.0)));
    }
    let parts =
        vec![line(t!("Upstreams"), points(total, "upstream", 1.0)), line(t!("Gateway"), points(total, "gateway", 1.0))];
    view! {
        <div class="charts">
            {chart(now, t!("Requests"), "/s", rates)}
            {chart(now, t!("Latency"), "ms", latencies)}
            {chart(now, t!("Where the time goes"), "ms", parts)}
        </div>
    }
    .into_any()
}

/// A moment of the range: with its date where that is long.
fn moment(now: &Value, seconds: f64) -> String {
    let text = when(&seconds.to_string()).unwrap_or_default();
    let long = number(&now["until"]) - number(&now["from"]) > 86_400.0;
    let part = if long { text.get(5..16) } else { text.get(11..19) };
    part.unwrap_or_default().to_owned()
}

fn chart(now: &Value, title: &'static str, unit: &'static str, series: Vec<Series>) -> AnyView {
    let latest =
        |line: &Series| line.values.iter().rev().flatten().next().map_or("–".to_owned(), |value| figure(*value));
    let words: Vec<String> = series.iter().map(|line| format!("{} {}", line.name, latest(line))).collect();
    let drawing = svg(&series, &format!("{title}, {unit}: {}", words.join(", ")));
    let legend: Vec<AnyView> = words
        .into_iter()
        .enumerate()
        .map(|(at, text)| view! { <li class=format!("key-{}", at + 1)>{text}</li> }.into_any())
        .collect();
    let most = format!("{} {unit}", figure(ceiling(&series)));
    let (from, until) = (moment(now, number(&now["from"])), moment(now, number(&now["until"])));
    view! {
        <figure class="card chart">
            <figcaption>{title}</figcaption>
            <p class="muted">{most}</p>
            <div class="plot" inner_html=drawing></div>
            <p class="times muted"><span>{from}</span><span>{until}" UTC"</span></p>
            <ul class="legend">{legend}</ul>
        </figure>
    }
    .into_any()
}

/// What a row is sorted by.
fn key(row: &Value, column: &str) -> f64 {
    match column {
        "rate" | "error_rate" => number(&row[column]),
        percentile => number(&row["latency"][percentile]),
    }
}

fn rows(query: &[(String, String)], now: &Value) -> AnyView {
    let by = or(value(query, "by"), KINDS[0].0);
    let Some((_, kind, title)) = KINDS.iter().find(|(key, ..)| *key == by) else { return ().into_any() };
    let mut list: Vec<Value> = now["series"].as_array().cloned().unwrap_or_default();
    let sort = or(value(query, "sort"), "rate");
    sort_by(&mut list, |a, b| key(b, sort).total_cmp(&key(a, sort)));
    let mut head = vec![view! { <th scope="col">{title.get()}</th> }.into_any()];
    for (name, text) in COLUMNS {
        let sorted = (name == sort).then_some("descending");
        let link = to(query, &[("sort", name)]);
        head.push(view! { <th scope="col" aria-sort=sorted><a href=link>{text.get()}</a></th> }.into_any());
    }
    head.push(view! { <th scope="col">{t!("Course")}</th> }.into_any());
    let row = |row: &Value| {
        let id = row["id"].as_str().unwrap_or_default();
        let name = match *kind {
            // Its page is below its Upstream's, which tells more.
            "targets" => {
                let upstream = linked("upstreams", &row["upstream"]);
                let target = row["name"].as_str().unwrap_or_default().to_owned();
                view! { {target} " · " {upstream} }.into_any()
            }
            kind => linked(kind, row),
        };
        let only = to(query, &[("id", id)]);
        let label = t!("Charts of {name} only", name = row["name"].as_str().unwrap_or(id));
        let course = spark(&points(row, "requests", 1.0));
        let figures = [
            figure(key(row, "rate")),
            percent(key(row, "error_rate")),
            duration(row["latency"]["p50"].as_f64()),
            duration(row["latency"]["p95"].as_f64()),
            duration(row["latency"]["p99"].as_f64()),
        ];
        let cells: Vec<AnyView> = figures.map(|text| view! { <td class="number">{text}</td> }.into_any()).into();
        view! {
            <tr>
                <th scope="row">{name}</th>
                {cells}
                <td><a href=only aria-label=label inner_html=course></a></td>
            </tr>
        }
        .into_any()
    };
    let body: Vec<AnyView> = list.iter().map(row).collect();
    let none = body.is_empty().then(|| view! { <p class="about">{t!("Nothing came in this time.")}</p> });
    let csv = format!("data:text/csv;charset=utf-8,{}", encode(&csv(&list)));
    view! {
        {crate::components::grid(title.get().to_owned(), title.get().to_owned(), head, body)}
        {none}
        <p class="pager"><a class="button" href=csv download=format!("{by}.csv")>{t!("Save as CSV")}</a></p>
    }
    .into_any()
}

/// The rows as a table for other programs.
fn csv(rows: &[Value]) -> String {
    let mut out = "id,name,requests,rate,errors,p50_ms,p95_ms,p99_ms\n".to_owned();
    for row in rows {
        let text = |value: &Value| format!("\"{}\"", crate::form::plain(value).replace('"', "\"\""));
        let latency = &row["latency"];
        let figures =
            [&row["requests"], &row["rate"], &row["errors"], &latency["p50"], &latency["p95"], &latency["p99"]];
        let figures: Vec<String> = figures.iter().map(|value| crate::form::plain(value)).collect();
        out += &format!("{},{},{}\n", text(&row["id"]), text(&row["name"]), figures.join(","));
    }
    out
}
