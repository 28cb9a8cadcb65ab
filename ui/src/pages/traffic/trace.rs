//! One request: what it was, where its time went, and why it went where it did.

use leptos::prelude::*;
use serde_json::Value;

use super::explanation::explanation;
use super::traces::status;
use super::{history, linked};
use crate::api::load;
use crate::chart::duration;
use crate::components::{Crumb, copy, empty, facts_list, grid, heading, link_button, loaded};
use crate::form::{plain, when};
use crate::page::{Page, encode};

pub fn trace(id: String) -> AnyView {
    let gateway = crate::state::gateway();
    let path = format!("telemetry/traces/{}", encode(&id));
    let state = load(move || {
        let path = path.clone();
        async move { history(gateway, &path).await }
    });
    loaded(state, show)
}

/// The request's URL, its query masked as it was kept.
fn url(trace: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let query = trace["request"]["query"].as_str().map(|query| format!("?{query}")).unwrap_or_default();
    let (scheme, host) = (text(&trace["scheme"]), text(&trace["host"]));
    let port = trace["request"]["port"].as_u64().filter(|port| *port != if scheme == "https" { 443 } else { 80 });
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}{query}", text(&trace["path"]))
}

fn headers(list: &Value) -> Vec<(String, String)> {
    let pairs = list.as_array().into_iter().flatten();
    pairs.map(|pair| (plain(&pair[0]), plain(&pair[1]))).collect()
}

/// A command that sends the request again, but for what was masked.
fn command(trace: &Value) -> String {
    let quoted = |text: &str| text.replace('\'', r"'\''");
    let mut command = format!("curl -i -X {} '{}'", plain(&trace["method"]), quoted(&url(trace)));
    for (name, value) in headers(&trace["request"]["headers"]) {
        // These follow from the rest.
        if !matches!(name.as_str(), "host" | "content-length" | "connection") {
            command += &format!(" \\\n  -H '{}: {}'", quoted(&name), quoted(&value));
        }
    }
    command
}

fn show(trace: Value) -> AnyView {
    let crumbs = vec![Crumb { text: t!("Traces").to_owned(), page: Page::Traces }];
    if trace.is_null() {
        let text = t!("This request is no longer kept.");
        let head = heading(t!("Not found").to_owned(), crumbs, "", ().into_any());
        return view! { {head} {empty(text.to_owned(), ().into_any())} }.into_any();
    }
    let title = format!("{} {}", plain(&trace["method"]), plain(&trace["path"]));
    let text = command(&trace);
    let again = {
        let sent: Vec<String> =
            headers(&trace["request"]["headers"]).iter().map(|(n, v)| format!("{n}: {v}")).collect();
        let (method, url, sent) = (plain(&trace["method"]), url(&trace), sent.join("\n"));
        let (ip, sni) = (plain(&trace["client_ip"]), plain(&trace["request"]["sni"]));
        Page::Tester.with(&[("method", &method), ("url", &url), ("headers", &sent), ("source_ip", &ip), ("sni", &sni)])
    };
    let actions =
        view! { {copy("curl", move || text.clone())} {link_button("", again, t!("Open in the route tester"))} };
    let bytes = |part: &str| trace[part]["body_bytes"].as_u64().map(|bytes| bytes.to_string()).unwrap_or_default();
    let lines = vec![
        (t!("Time"), when(&trace["at"].to_string()).unwrap_or_default()),
        (t!("Address"), url(&trace)),
        (t!("Duration"), duration(trace["duration"].as_f64())),
        (t!("Upstreams"), duration(trace["upstream"].as_f64())),
        (t!("Gateway"), duration(trace["gateway"].as_f64())),
        (t!("Answer of the upstream"), plain(&trace["upstream_status"])),
        (t!("Target"), plain(&trace["target"])),
        (t!("Tries"), plain(&trace["tries"])),
        (t!("From"), plain(&trace["client_ip"])),
        (t!("Request ID"), plain(&trace["id"])),
        (t!("Trace ID"), plain(&trace["trace_id"])),
        (t!("Bytes received"), bytes("request")),
        (t!("Bytes sent"), bytes("response")),
    ];
    let why = (!trace["why"].is_null()).then(|| {
        let changed = (trace["why"]["same_route"] == false).then(
            || view! { <p class="panel bad">{t!("By the configuration of now another Route takes this request.")}</p> },
        );
        view! {
            <section aria-labelledby="trace-why">
                <div class="heading"><h2 id="trace-why">{t!("Why this Route")}</h2></div>
                {changed}
                {explanation(&trace["why"])}
            </section>
        }
    });
    view! {
        {heading(title, crumbs, "", actions.into_any())}
        <section class="card" aria-labelledby="trace-facts">
            <h2 id="trace-facts">{t!("Request")}</h2>
            <p>
                {status(&trace["status"])} " " {t!("Route")} ": " {linked("routes", &trace["route"])} " · "
                {t!("Service")} ": " {linked("services", &trace["service"])} " · " {t!("Consumer")} ": "
                {linked("consumers", &trace["consumer"])}
            </p>
            {facts_list(lines)}
            {sent(t!("Headers of the request"), &trace["request"]["headers"])}
            {sent(t!("Headers of the answer"), &trace["response"]["headers"])}
        </section>
        {waterfall(&trace)}
        {why}
    }
    .into_any()
}

/// Headers that one opens to read.
fn sent(title: &'static str, list: &Value) -> AnyView {
    let lines: Vec<String> = headers(list).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if lines.is_empty() {
        return ().into_any();
    }
    view! {
        <details class="group">
            <summary>{title}</summary>
            <pre tabindex="0" aria-label=title><code>{lines.join("\n")}</code></pre>
        </details>
    }
    .into_any()
}

/// What a span is called.
fn named(span: &Value) -> String {
    let name = plain(&span["name"]);
    match span["kind"].as_str().unwrap_or_default() {
        "request" => t!("The whole request").to_owned(),
        "read" => t!("Reading the head").to_owned(),
        "route" => t!("Finding the Route").to_owned(),
        "plugins" => t!("Plugins").to_owned(),
        "plugin" => format!("{name} · {}", plain(&span["phase"])),
        "dns" => t!("Looking up the name").to_owned(),
        "try" => t!(
            "Try {number} at {address}",
            number = plain(&span["attributes"]["try"]),
            address = plain(&span["attributes"]["address"])
        ),
        "connect" => t!("Connecting").to_owned(),
        "tls" => "TLS".to_owned(),
        "send" => t!("Sending").to_owned(),
        "wait" => t!("Waiting for the upstream").to_owned(),
        "receive" => t!("Receiving").to_owned(),
        _ => name,
    }
}

/// How deep a span lies.
fn depth(spans: &[Value], at: usize) -> usize {
    let (mut depth, mut here) = (0, at);
    while let Some(parent) = spans[here]["parent"].as_u64().and_then(|parent| usize::try_from(parent).ok()) {
        // Parents come before their children.
        if parent >= here || depth > 4 {
            break;
        }
        (depth, here) = (depth + 1, parent);
    }
    depth
}

/// Where the time of a request went: a bar for each span.
pub fn waterfall(trace: &Value) -> AnyView {
    let spans = trace["spans"].as_array().cloned().unwrap_or_default();
    if spans.is_empty() {
        return ().into_any();
    }
    let number = |span: &Value, name: &str| span[name].as_f64().unwrap_or(0.0).max(0.0);
    let end = spans.iter().map(|span| number(span, "start") + number(span, "duration")).fold(0.001_f64, f64::max);
    let row = |(at, span): (usize, &Value)| {
        let (start, length) = (number(span, "start") / end * 1000.0, number(span, "duration") / end * 1000.0);
        let error = span["error"].as_str().map(str::to_owned);
        let class = if error.is_some() { "failing" } else { "well" };
        let bar = format!(
            "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"{class}\" \
             x=\"{start:.0}\" width=\"{:.0}\" height=\"10\"/></svg>",
            length.max(3.0)
        );
        let error = error.map(|text| view! { <span class="error">{text}</span> });
        let (from, took) = (duration(span["start"].as_f64()), duration(span["duration"].as_f64()));
        view! {
            <tr>
                <th scope="row" class=format!("depth-{}", depth(&spans, at))>{named(span)} " " {error}</th>
                <td class="number">{from}</td>
                <td class="number">{took}</td>
                <td class="bar" inner_html=bar></td>
            </tr>
        }
        .into_any()
    };
    let rows = spans.iter().enumerate().map(row).collect();
    let head = [t!("Span"), t!("Start"), t!("Duration"), t!("Course")].map(crate::components::column).into();
    let note = (trace["detail"] == false)
        .then(|| view! { <p class="about">{t!("Single plugins are noted of sampled requests only.")}</p> });
    view! {
        <div class="part">
            <h2>{t!("Where the time went")}</h2>
            <div class="waterfall">{grid(t!("Where the time went").to_owned(), t!("Where the time went").to_owned(), head, rows)}</div>
            {note}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_sent_again_as_it_was() {
        let trace = json!({
            "method": "POST", "scheme": "https", "host": "a.example", "path": "/it's",
            "request": {"port": 8443, "query": "a=1", "headers": [["host", "a.example"], ["x-a", "b'c"]]},
        });
        assert_eq!(command(&trace), "curl -i -X POST 'https://a.example:8443/it'\\''s?a=1' \\\n  -H 'x-a: b'\\''c'");
        let plain =
            json!({"scheme": "http", "host": "a", "path": "/", "request": {"port": 80, "query": null, "headers": []}});
        assert_eq!(url(&plain), "http://a/");
    }

    #[test]
    fn spans_know_how_deep_they_lie() {
        let spans = [
            json!({"parent": null}),
            json!({"parent": 0}),
            json!({"parent": 1}),
            json!({"parent": 3}),
            json!({"parent": 9}),
        ];
        let depths: Vec<usize> = (0..spans.len()).map(|at| depth(&spans, at)).collect();
        assert_eq!(depths, [0, 1, 2, 0, 0]);
    }
}
