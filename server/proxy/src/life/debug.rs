//! Timings of single requests for those who ask (`request_debug`): Kong's `X-Kong-Request-Debug`.

use super::Collected;
use aws_lc_rs::constant_time;
use exchange::timeline::{Debugged, Spent};
use exchange::{Exchange, Stamp, Timeline};
use serde_json::{Map, Value, json};
use snapshot::Snapshot;
use std::collections::BTreeMap;

const ASK: &str = "X-Kong-Request-Debug";
const TOKEN: &str = "X-Kong-Request-Debug-Token";
const LOG: &str = "X-Kong-Request-Debug-Log";
const OUTPUT: &str = "X-Kong-Request-Debug-Output";

/// Bytes from which on the header tells clients on other machines only where the output is: what stands between them and
/// the gateway may take no longer line.
const HEADER: usize = 2 << 10;
/// Bytes of a part in the error log.
const PART: usize = 3 << 10;

/// Notes that a request's client wants to know what takes how long, where it may: it is on this machine or has the token.
/// The upstream and plugins see nothing of it.
#[inline]
pub(super) fn begin(exchange: &mut Exchange, token: &str) {
    let asks = |name: &[u8]| {
        (ASK.len()..=TOKEN.len()).contains(&name.len()) && name[..ASK.len()].eq_ignore_ascii_case(ASK.as_bytes())
    };
    if exchange.request.headers.lines().any(|line| asks(line.name())) {
        decide(exchange, token);
    }
}

#[cold]
fn decide(exchange: &mut Exchange, token: &str) {
    let headers = &mut exchange.request.headers;
    let [asked, given, log] = [ASK, TOKEN, LOG].map(|name| {
        let value = headers.joined(name);
        headers.remove(name);
        value
    });
    if asked.as_deref() != Some(b"*") {
        return;
    }
    let loopback = exchange.request.client_ip.is_some_and(|ip| ip.to_canonical().is_loopback());
    let knows = || given.is_some_and(|given| constant_time::verify_slices_are_equal(&given, token.as_bytes()).is_ok());
    if loopback || knows() {
        let log = log.as_deref() == Some(b"true");
        exchange.timeline.detail = true;
        exchange.timeline.debugged = Some(Box::new(Debugged { loopback, log, spent: Vec::new() }));
    }
}

/// When a call begins whose time is to be added up.
#[inline]
pub(super) fn now(exchange: &Exchange) -> u32 {
    if exchange.timeline.debugged.is_some() { exchange.timeline.now() } else { 0 }
}

/// Adds what a plugin's call has taken that began then.
#[inline]
pub(super) fn spend(exchange: &mut Exchange, plugin: &'static str, phase: &'static str, start: u32) {
    if exchange.timeline.debugged.is_some() {
        add(exchange, Spent { plugin, phase, micros: exchange.timeline.now().saturating_sub(start) });
    }
}

#[cold]
fn add(exchange: &mut Exchange, call: Spent) {
    let Some(debugged) = &mut exchange.timeline.debugged else { return };
    match debugged.spent.iter_mut().find(|spent| (spent.plugin, spent.phase) == (call.plugin, call.phase)) {
        Some(spent) => spent.micros = spent.micros.saturating_add(call.micros),
        None => debugged.spent.push(call),
    }
}

/// Adds the header that tells what was found out until now.
#[cold]
pub(super) fn tell(exchange: &mut Exchange, collected: &Collected<'_>, snapshot: &Snapshot) {
    let mut output = output(exchange, collected, snapshot, false).to_string();
    if let Some(debugged) = &mut exchange.timeline.debugged
        && output.len() >= HEADER
        && !debugged.loopback
    {
        debugged.log = true;
        output = json!({
            "request_id": exchange.id.as_str(),
            "truncated": true,
            "message": "Output is truncated, please check the error_log for full output by filtering with the request_id.",
        })
        .to_string();
    }
    exchange.response.headers.set(OUTPUT, output);
}

/// Tells the error log, where it is to be told.
#[cold]
pub(super) fn log(exchange: &Exchange, collected: &Collected<'_>, snapshot: &Snapshot) {
    if exchange.timeline.debugged.as_ref().is_none_or(|debugged| !debugged.log) {
        return;
    }
    let output = output(exchange, collected, snapshot, true).to_string();
    let parts = parts(&output);
    let count = parts.len();
    for (index, part) in parts.into_iter().enumerate() {
        match count {
            1 => tracing::info!("[request-debug] output: {part}"),
            _ => {
                let request_id = exchange.id.as_str();
                tracing::info!(request_id, "[request-debug] parts: {}/{count} output: {part}", index + 1);
            }
        }
    }
}

/// A text in parts that are not too long for a line.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > PART {
        let (part, further) = rest.split_at(rest.floor_char_boundary(PART));
        parts.push(part);
        rest = further;
    }
    parts.push(rest);
    parts
}

/// What took how long, as Kong tells it. `over`: the response is on its way, and what follows its head is known.
fn output(exchange: &Exchange, collected: &Collected<'_>, snapshot: &Snapshot, over: bool) -> Value {
    let mut root = phases(&exchange.timeline, over);
    plugins(&mut root, exchange, collected, snapshot);
    let without_upstream = root.parts.values().fold(0, |sum: u32, part| sum.saturating_add(part.micros));
    let mut phases = root.json_of_parts();
    if let Some(upstream) = upstream(&exchange.timeline, over) {
        phases.insert("upstream".to_owned(), upstream);
    }
    let mut told = json!({
        "request_id": exchange.id.as_str(),
        "total_time_without_upstream": millis(without_upstream),
        "child": phases,
    });
    if exchange.route.is_some() {
        told["workspace_id"] = exchange.workspace.to_string().into();
    }
    told
}

/// The phases that there were, with what the gateway itself does in them.
fn phases(timeline: &Timeline, over: bool) -> Part {
    let mut root = Part::default();
    let rewritten = timeline.calls.iter().filter(|call| call.phase == "rewrite").map(|call| call.end).max();
    let rewritten = rewritten.or(timeline.at(Stamp::Parsed)).unwrap_or(0);
    root.at(&["rewrite"]).micros = rewritten;
    // In Kong names are looked up in access.
    let dns = timeline.looks.iter().fold(0, |sum: u32, look| sum.saturating_add(look.end.saturating_sub(look.start)));
    if let Some(routed) = timeline.at(Stamp::Routed) {
        let accessed = timeline.at(Stamp::Accessed).unwrap_or(routed);
        let access = root.at(&["access"]);
        access.micros = accessed.saturating_sub(rewritten).saturating_add(dns);
        access.at(&["router"]).micros = routed.saturating_sub(rewritten);
        if let Some(balanced) = timeline.at(Stamp::Balanced) {
            root.at(&["balancer"]).micros = balanced.saturating_sub(accessed).saturating_sub(dns);
        }
    }
    for look in &timeline.looks {
        let resolve = root.spend(&["access", "dns", &look.name, "resolve"], look.end.saturating_sub(look.start), 1);
        resolve.further.insert("cache_hit".to_owned(), look.hit.into());
    }
    let further: &[&str] = if over { &["header_filter", "body_filter", "log"] } else { &["header_filter"] };
    for phase in further {
        root.at(&[phase]);
    }
    root
}

/// What plugins have taken, by phase, name and id, and what they asked others within.
fn plugins(root: &mut Part, exchange: &Exchange, collected: &Collected<'_>, snapshot: &Snapshot) {
    let timeline = &exchange.timeline;
    let path = |phase: &str, plugin: &str| {
        let instance = match phase {
            "rewrite" => snapshot.global_chain().rewrite().iter().find(|instance| instance.name() == plugin),
            _ => collected.iter().copied().find(|instance| instance.name() == plugin),
        };
        // A plugin of a configuration that was replaced meanwhile has none.
        let id = instance.and_then(|instance| snapshot.origin_of(instance)).map(|id| id.to_string());
        [phase, "plugins", plugin].into_iter().map(str::to_owned).chain(id).collect::<Vec<_>>()
    };
    for call in &timeline.calls {
        // All that rewrite and access have taken is known already.
        let known = usize::from(matches!(call.phase, "rewrite" | "access"));
        let part = root.spend(&path(call.phase, call.plugin), call.end.saturating_sub(call.start), known);
        let within = |start, end| call.start <= start && end <= call.end;
        for asked in timeline.asked.iter().filter(|asked| within(asked.start, asked.end)) {
            let what = format!("{} {}", asked.method, asked.url);
            part.spend(&["external_http", &what], asked.end.saturating_sub(asked.start), 0);
        }
    }
    for spent in timeline.debugged.iter().flat_map(|debugged| &debugged.spent) {
        root.spend(&path(spent.phase, spent.plugin), spent.micros, 0);
    }
}

/// What the upstream has taken, where it answered: in whole milliseconds, as in `X-Kong-Upstream-Latency`.
fn upstream(timeline: &Timeline, over: bool) -> Option<Value> {
    let answered = timeline.at(Stamp::Answered)?;
    let first = timeline.upstream_ms();
    let received = timeline.at(Stamp::Received).filter(|_| over);
    let streaming = received.map(|received| received.saturating_sub(answered) / 1000);
    let mut child = json!({ "time_to_first_byte": { "total_time": first } });
    if let Some(streaming) = streaming {
        child["streaming"] = json!({ "total_time": streaming });
    }
    Some(json!({ "total_time": first.saturating_add(streaming.unwrap_or(0)), "child": child }))
}

/// A time, what else is known of it, and of which parts it consists.
#[derive(Default)]
struct Part {
    micros: u32,
    further: Map<String, Value>,
    parts: BTreeMap<String, Part>,
}

impl Part {
    /// The part under a path, which is made where there is none.
    fn at(&mut self, path: &[&str]) -> &mut Self {
        path.iter().fold(self, |part, name| part.parts.entry((*name).to_owned()).or_default())
    }

    /// Adds to the time of a part and of all above it, except the uppermost `known` ones.
    fn spend(&mut self, path: &[impl AsRef<str>], micros: u32, known: usize) -> &mut Self {
        path.iter().enumerate().fold(self, |part, (depth, name)| {
            let part = part.parts.entry(name.as_ref().to_owned()).or_default();
            if depth >= known {
                part.micros = part.micros.saturating_add(micros);
            }
            part
        })
    }

    fn json(&self) -> Map<String, Value> {
        let mut object = self.further.clone();
        object.insert("total_time".to_owned(), millis(self.micros));
        if !self.parts.is_empty() {
            object.insert("child".to_owned(), Value::Object(self.json_of_parts()));
        }
        object
    }

    fn json_of_parts(&self) -> Map<String, Value> {
        self.parts.iter().map(|(name, part)| (name.clone(), Value::Object(part.json()))).collect()
    }
}

/// Milliseconds with two decimal places, rounded down.
fn millis(micros: u32) -> Value {
    match micros / 10 {
        whole if whole % 100 == 0 => (whole / 100).into(),
        hundredths => (f64::from(hundredths) / 100.0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_two_places() {
        for (micros, expected) in [(0, "0"), (9, "0"), (10, "0.01"), (1_239, "1.23"), (2_000, "2"), (2_009, "2")] {
            assert_eq!(millis(micros).to_string(), expected);
        }
    }

    #[test]
    fn what_is_long_comes_in_parts() {
        assert_eq!(parts("short"), ["short"]);
        let text = "ä".repeat(PART);
        let parts = parts(&text);
        assert_eq!((parts.len(), parts.concat() == text), (2, true));
        assert!(parts.iter().all(|part| part.len() <= PART));
    }

    #[test]
    fn parts_add_up() {
        let mut root = Part::default();
        root.at(&["access"]).micros = 500;
        root.spend(&["access", "plugins", "acl", "1"], 100, 1);
        root.spend(&["access", "plugins", "cors", "2"], 50, 1);
        let told = Value::Object(root.json());
        let access = &told["child"]["access"];
        assert_eq!(access["total_time"], json!(0.5));
        assert_eq!(access["child"]["plugins"]["total_time"], json!(0.15));
        assert_eq!(access["child"]["plugins"]["child"]["acl"]["child"]["1"], json!({ "total_time": 0.1 }));
    }
}
