//! The entry of an Exchange, member by member.

use super::entity::{ROUTES, SERVICES};
use super::latencies::Latencies;
use crate::form::pairs;
use crate::{Consumer, Credential, Exchange, Headers, Session, Try};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::time::UNIX_EPOCH;

/// The members that entries have by themselves.
pub(super) const KEYS: [&str; 17] = [
    "request",
    "upstream_uri",
    "upstream_status",
    "response",
    "latencies",
    "tries",
    "authenticated_entity",
    "route",
    "service",
    "consumer",
    "client_ip",
    "started_at",
    "source",
    "workspace",
    "workspace_name",
    "upstream",
    "session",
];

/// Header lines and arguments that are shown at most (`lua_max_req_headers`, `lua_max_uri_args`).
const MOST: usize = 100;

/// What stands in place of credentials.
const REDACTED: &str = "REDACTED";

pub(super) struct Entry<'e> {
    pub exchange: &'e Exchange,
    /// Whether the values of plugins are added.
    pub values: bool,
}

/// A map that a function fills.
fn map<S: Serializer>(
    serializer: S,
    fill: impl FnOnce(&mut S::SerializeMap) -> Result<(), S::Error>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    fill(&mut map)?;
    map.end()
}

macro_rules! object {
    ($name:ident($($field:ident: $type:ty),*), |$this:ident, $map:ident| $body:block) => {
        struct $name<'e> { $($field: $type),* }
        impl Serialize for $name<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                map(serializer, |$map| { $body Ok(()) })
            }
        }
    };
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map(serializer, |map| {
            let exchange = self.exchange;
            match exchange.session.as_deref() {
                Some(session) => {
                    map.serialize_entry("session", &Sides { exchange, session })?;
                    map.serialize_entry("upstream", &UpstreamSide { session })?;
                    map.serialize_entry("latencies", &SessionSpent { exchange })?;
                }
                None => {
                    map.serialize_entry("request", &Request { exchange })?;
                    map.serialize_entry("upstream_uri", &upstream_uri(exchange))?;
                    map.serialize_entry("upstream_status", &upstream_status(exchange))?;
                    map.serialize_entry("response", &Response { exchange })?;
                    map.serialize_entry("latencies", &Spent { exchange })?;
                }
            }
            if exchange.route.is_some() {
                map.serialize_entry("tries", &Tries { exchange })?;
            }
            if let Some(credential) = &exchange.identity.credential {
                map.serialize_entry("authenticated_entity", &Authenticated { credential })?;
            }
            let workspace = exchange.workspace;
            if let Some(text) =
                exchange.route_entity().and_then(|route| ROUTES.with(|texts| texts.of(route, workspace)))
            {
                map.serialize_entry("route", &*text)?;
            }
            let service = exchange.service.as_ref();
            if let Some(text) = service.and_then(|service| SERVICES.with(|texts| texts.of(service, workspace))) {
                map.serialize_entry("service", &*text)?;
            }
            if let Some(consumer) = &exchange.identity.consumer {
                map.serialize_entry("consumer", &Person { consumer })?;
            }
            map.serialize_entry("client_ip", &exchange.request.client_ip())?;
            let since = exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
            map.serialize_entry("started_at", &u64::try_from(since.as_millis()).unwrap_or(u64::MAX))?;
            if exchange.session.is_none() {
                map.serialize_entry("source", if exchange.is_proxied() { "upstream" } else { "kong" })?;
            }
            map.serialize_entry("workspace", &workspace)?;
            if let Some(name) = exchange.directory.workspace_name(workspace) {
                map.serialize_entry("workspace_name", &*name)?;
            }
            if self.values {
                for (key, _, value) in &*exchange.log_values.all() {
                    map.serialize_entry(key, value)?;
                }
            }
            Ok(())
        })
    }
}

object!(Request(exchange: &'e Exchange), |this, map| {
    let (exchange, request) = (this.exchange, &this.exchange.request);
    map.serialize_entry("id", exchange.id.as_str())?;
    map.serialize_entry("uri", &lossy(&request.target))?;
    map.serialize_entry("url", &url(exchange))?;
    let query = if exchange.service.is_some() { exchange.forward.query.as_deref() } else { request.query.as_deref() };
    map.serialize_entry("querystring", &Arguments { query: query.unwrap_or_default() })?;
    map.serialize_entry("method", request.method_str())?;
    map.serialize_entry("headers", &Lines { headers: &request.headers, redact: true })?;
    map.serialize_entry("size", &(request.head_bytes as u64 + request.body_bytes))?;
    if let Some(tls) = request.tls.as_deref() {
        map.serialize_entry("tls", &Tls { tls })?;
    }
});

object!(Tls(tls: &'e crate::TlsSession), |this, map| {
    map.serialize_entry("version", this.tls.version)?;
    map.serialize_entry("cipher", this.tls.cipher)?;
    let found = if this.tls.client_certificates.is_empty() { "NONE" } else { "SUCCESS" };
    map.serialize_entry("client_verify", this.tls.client_verify.as_deref().unwrap_or(found))?;
});

object!(Response(exchange: &'e Exchange), |this, map| {
    let response = &this.exchange.response;
    map.serialize_entry("status", &response.status)?;
    map.serialize_entry("headers", &Lines { headers: &response.headers, redact: false })?;
    map.serialize_entry("size", &(response.head_sent + response.body_sent))?;
});

object!(Spent(exchange: &'e Exchange), |this, map| {
    let Latencies { kong, proxy, request, receive } = Latencies::of(this.exchange);
    map.serialize_entry("kong", &kong)?;
    map.serialize_entry("proxy", &proxy.map_or(-1, i64::from))?;
    map.serialize_entry("request", &request)?;
    map.serialize_entry("receive", &receive)?;
});

object!(Sides(exchange: &'e Exchange, session: &'e Session), |this, map| {
    if let Some(tls) = this.exchange.request.tls.as_deref() {
        map.serialize_entry("tls", &Tls { tls })?;
    }
    map.serialize_entry("received", &this.session.received)?;
    map.serialize_entry("sent", &this.session.sent)?;
    map.serialize_entry("status", &this.exchange.response.status)?;
    map.serialize_entry("server_port", &this.exchange.request.port)?;
});

object!(UpstreamSide(session: &'e Session), |this, map| {
    map.serialize_entry("received", &this.session.upstream_received)?;
    map.serialize_entry("sent", &this.session.upstream_sent)?;
});

object!(SessionSpent(exchange: &'e Exchange), |this, map| {
    map.serialize_entry("kong", &Latencies::of(this.exchange).kong)?;
    map.serialize_entry("session", &this.exchange.timeline.lasted().as_millis())?;
});

object!(Authenticated(credential: &'e Credential), |this, map| {
    map.serialize_entry("id", &this.credential.id)?;
    if let Some(consumer) = this.credential.consumer.filter(|_| this.credential.entity == "sessions") {
        map.serialize_entry("consumer_id", &consumer)?;
    }
});

object!(Person(consumer: &'e Consumer), |this, map| {
    let consumer = this.consumer;
    map.serialize_entry("id", &consumer.id)?;
    for (name, value) in [("username", &consumer.username), ("custom_id", &consumer.custom_id)] {
        if let Some(value) = value {
            map.serialize_entry(name, &**value)?;
        }
    }
    if !consumer.tags.is_empty() {
        map.serialize_entry("tags", &consumer.tags)?;
    }
    for (name, at) in [("created_at", consumer.created_at), ("updated_at", consumer.updated_at)] {
        if at != 0 {
            map.serialize_entry(name, &at)?;
        }
    }
});

object!(Attempt(start_ns: u64, tried: &'e Try), |this, map| {
    let (start, tried) = (this.start_ns, this.tried);
    map.serialize_entry("balancer_start", &(start / 1_000_000))?;
    map.serialize_entry("balancer_start_ns", &start)?;
    // Choosing takes less than the clock shows.
    map.serialize_entry("balancer_latency", &0)?;
    map.serialize_entry("balancer_latency_ns", &0)?;
    map.serialize_entry("ip", &tried.address.ip())?;
    map.serialize_entry("port", &tried.address.port())?;
    if let Some(error) = tried.error {
        map.serialize_entry("state", "failed")?;
        map.serialize_entry("code", &if error.is_timeout() { 504 } else { 502 })?;
    }
});

struct Tries<'e> {
    exchange: &'e Exchange,
}

impl Serialize for Tries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timeline = &self.exchange.timeline;
        let since = timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin = u64::try_from(since.as_nanos()).unwrap_or_default();
        let mut list = serializer.serialize_seq(Some(timeline.tries.len()))?;
        for tried in &timeline.tries {
            list.serialize_element(&Attempt { start_ns: origin + u64::from(tried.start) * 1000, tried })?;
        }
        list.end()
    }
}

/// Lines by lower-case name; several of one name are an array.
struct Lines<'e> {
    headers: &'e Headers,
    redact: bool,
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map(serializer, |map| {
            let lines = || self.headers.iter().take(MOST);
            for (index, (name, value)) in lines().enumerate() {
                let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(name);
                if lines().take(index).any(|line| same(&line)) {
                    continue;
                }
                let lower = lossy(name).to_ascii_lowercase();
                if self.redact && matches!(lower.as_str(), "authorization" | "proxy-authorization") {
                    map.serialize_entry(&lower, REDACTED)?;
                } else if lines().skip(index + 1).any(|line| same(&line)) {
                    let all: Vec<_> = lines().filter(same).map(|(_, value)| lossy(value)).collect();
                    map.serialize_entry(&lower, &all)?;
                } else {
                    map.serialize_entry(&lower, &lossy(value))?;
                }
            }
            Ok(())
        })
    }
}

/// Arguments of a query; several of one name are an array, a name alone is true.
struct Arguments<'e> {
    query: &'e [u8],
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names: Vec<(Cow<'_, [u8]>, Vec<Value>)> = Vec::new();
        for (name, value) in pairs(self.query).take(MOST) {
            let value = value.map_or(Value::Bool(true), |value| lossy(&value).into());
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => names.push((name, vec![value])),
            }
        }
        map(serializer, |map| {
            for (name, mut values) in names {
                let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
                map.serialize_entry(&lossy(&name), &value)?;
            }
            Ok(())
        })
    }
}

fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// `scheme://host:port/target`, of the connection's scheme and port.
fn url(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let host = lossy(&request.host).to_ascii_lowercase();
    format!("{}://{host}:{}{}", request.scheme.as_str(), request.port, lossy(&request.target))
}

/// Path and query that were, or would have been, sent on.
fn upstream_uri(exchange: &Exchange) -> String {
    if exchange.service.is_none() {
        return String::new();
    }
    let forward = &exchange.forward;
    let mut out = lossy(&forward.path).into_owned();
    if let Some(query) = forward.query.as_deref().filter(|_| !out.is_empty()) {
        out.push('?');
        out.push_str(&lossy(query));
    }
    out
}

/// The status of each try, as nginx lists them.
fn upstream_status(exchange: &Exchange) -> String {
    let mut out = String::new();
    for tried in &exchange.timeline.tries {
        if !out.is_empty() {
            out.push_str(", ");
        }
        match tried.error {
            Some(error) => out.push_str(if error.is_timeout() { "504" } else { "502" }),
            None if exchange.response.upstream_status != 0 => {
                out.push_str(&exchange.response.upstream_status.to_string())
            }
            None => out.push('-'),
        }
    }
    out
}
