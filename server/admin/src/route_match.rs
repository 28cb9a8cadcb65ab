//! `/debug/route-match`: what would become of a request. The question is understood here; the node's own router answers.

use crate::errors;
use crate::form::Argument;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::seen::Seen;
use actix_web::web;
use exchange::Consumer;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use uuid::Uuid;

/// Near misses that are told unless the question says otherwise, and at most.
const NEAR: usize = 5;
const MOST_NEAR: usize = 50;
/// The names of protocols, and as what they are routed.
const PROTOCOLS: [(&str, &str); 6] =
    [("http", "http"), ("https", "https"), ("grpc", "grpc"), ("grpcs", "grpcs"), ("ws", "http"), ("wss", "https")];
/// Kinds of entities that answers tell of.
pub(crate) const TOLD: [&str; 4] = ["routes", "services", "plugins", "upstreams"];

/// A request that someone asks about.
#[derive(Clone, Debug)]
pub struct RouteQuestion {
    /// Whose Routes are told of.
    pub workspace: Uuid,
    /// The method.
    pub method: String,
    /// `http`, `https`, `grpc` or `grpcs`.
    pub protocol: &'static str,
    /// The `Host`, with its port where one is named.
    pub host: Option<String>,
    /// Path and query, as sent.
    pub target: String,
    /// Header lines beside `Host`.
    pub headers: Vec<(String, String)>,
    /// The server name asked for in the TLS handshake.
    pub sni: Option<String>,
    /// The client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
    /// Who the client is taken for.
    pub consumer: Option<Arc<Consumer>>,
    /// How many near misses are wanted.
    pub near: usize,
}

impl RouteQuestion {
    /// Whether it comes over TLS.
    pub fn is_tls(&self) -> bool {
        is_tls(self.protocol)
    }

    /// Whether it is gRPC.
    pub fn is_grpc(&self) -> bool {
        is_grpc(self.protocol)
    }

    /// Reads the members of a body or of a query; the Consumer is the caller's to find.
    pub(crate) fn read(members: &Map<String, Value>, workspace: Uuid) -> Result<Self, String> {
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("{name}: expected a string")),
        };
        let (mut protocol, mut host, mut path) = (text("protocol")?.or(text("scheme")?), text("host")?, text("path")?);
        if let Some(url) = text("url")? {
            let (scheme, rest) = url.split_once("://").ok_or("url: expected scheme://host/path")?;
            let cut = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, target) = rest.split_at(cut);
            protocol = Some(scheme.to_ascii_lowercase());
            host = Some(authority.to_owned());
            path = Some(target.to_owned());
        }
        let protocol = protocol.unwrap_or_else(|| "http".to_owned());
        let known = PROTOCOLS.iter().find(|(name, _)| *name == protocol);
        let &(_, protocol) = known.ok_or("protocol: expected one of: http, https, grpc, grpcs, ws, wss".to_owned())?;
        let mut target = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
        if !target.starts_with('/') {
            target.insert(0, '/');
        }
        let host = host.filter(|host| !host.is_empty());
        let sni = text("sni")?.filter(|sni| !sni.is_empty()).or_else(|| name_of(host.as_deref()?));
        let (tls, grpc) = (is_tls(protocol), is_grpc(protocol));
        let near = number(&text, "near_misses", NEAR as u64, MOST_NEAR as u64)?;
        Ok(Self {
            workspace,
            method: text("method")?.unwrap_or_else(|| if grpc { "POST" } else { "GET" }.to_owned()),
            protocol,
            host,
            target,
            headers: headers(members)?,
            sni: sni.filter(|_| tls),
            source: end(&text, "source", 0)?,
            destination: end(&text, "destination", if tls { 443 } else { 80 })?,
            consumer: None,
            near: usize::try_from(near).unwrap_or(NEAR),
        })
    }
}

fn is_tls(protocol: &str) -> bool {
    matches!(protocol, "https" | "grpcs")
}

fn is_grpc(protocol: &str) -> bool {
    matches!(protocol, "grpc" | "grpcs")
}

/// The name in a host that a TLS client would ask for: not an address.
fn name_of(host: &str) -> Option<String> {
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| match port.bytes().all(|byte| byte.is_ascii_digit()) {
            true => name,
            false => host,
        });
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (!is_address && !name.is_empty()).then(|| name.to_ascii_lowercase())
}

type Text<'t> = dyn Fn(&str) -> Result<Option<String>, String> + 't;

fn number(text: &Text<'_>, name: &str, default: u64, most: u64) -> Result<u64, String> {
    match text(name)? {
        None => Ok(default),
        Some(given) => match given.parse() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(format!("{name}: expected a number from 0 to {most}")),
        },
    }
}

/// One end of the connection: `{name}_ip` and `{name}_port`.
fn end(text: &Text<'_>, name: &str, default: u16) -> Result<SocketAddr, String> {
    let ip = match text(&format!("{name}_ip"))? {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(given) => given.parse().map_err(|_| format!("{name}_ip: expected an IP address"))?,
    };
    let port = number(text, &format!("{name}_port"), u64::from(default), u64::from(u16::MAX))?;
    Ok(SocketAddr::new(ip, u16::try_from(port).unwrap_or(default)))
}

fn headers(members: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    let mut add = |name: &str, value: &Value| {
        match value {
            Value::String(value) => out.push((name.to_owned(), value.clone())),
            Value::Number(value) => out.push((name.to_owned(), value.to_string())),
            Value::Bool(value) => out.push((name.to_owned(), value.to_string())),
            _ => return Err(format!("headers.{name}: expected a string, or a list of strings")),
        }
        Ok(())
    };
    match members.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                match value {
                    Value::Array(values) => values.iter().try_for_each(|value| add(name, value))?,
                    value => add(name, value)?,
                }
            }
        }
        Some(_) => return Err("headers: expected an object of names and values".into()),
    }
    // In a query, one argument for each line.
    let lines = match members.get("header") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(lines)) => lines.as_slice(),
        Some(line) => std::slice::from_ref(line),
    };
    for line in lines {
        let split = line.as_str().and_then(|line| line.split_once(':'));
        let (name, value) = split.ok_or("header: expected name:value")?;
        add(name.trim(), &Value::from(value.trim()))?;
    }
    let named = |(name, _): &(String, String)| exchange::headers::is_token(name.as_bytes());
    match out.iter().find(|line| !named(line)) {
        Some((name, _)) => Err(format!("headers: '{name}' is no name of a header")),
        // The Host is told by itself.
        None => Ok(out.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).collect()),
    }
}

impl Scope<'_> {
    /// `/debug/route-match`, asked by a query or a body.
    pub(crate) async fn route_match(&self, query: &[Argument], body: Map<String, Value>) -> Result<Answer, Answer> {
        let bad = |text: String| errors::plain(400, &text);
        let mut members = body;
        for (name, value) in query {
            match members.get_mut(name) {
                None => _ = members.insert(name.clone(), value.clone()),
                Some(Value::Array(values)) => values.push(value.clone()),
                Some(first) => *first = Value::Array(vec![first.take(), value.clone()]),
            }
        }
        let mut question = RouteQuestion::read(&members, self.workspace).map_err(bad)?;
        if let Some(wanted) = members.get("consumer").and_then(Value::as_str) {
            question.consumer = Some(Arc::new(self.consumer(wanted).await?));
        }
        let seen = self.seen(&TOLD).await?;
        self.matched(question, seen).await.map(|found| Answer::json(200, &found))
    }

    /// What the node's router says.
    pub(crate) async fn matched(&self, question: RouteQuestion, seen: Seen) -> Result<Value, Answer> {
        let node = self.node.clone();
        let found = web::block(move || node.route_match(&question, &seen)).await.map_err(|_| errors::unexpected())?;
        found.map_err(|text| errors::plain(400, &text))
    }

    /// A Consumer by id, username or custom id, as plugins would know it.
    async fn consumer(&self, wanted: &str) -> Result<Consumer, Answer> {
        let missing = || errors::plain(400, "consumer: there is no such Consumer");
        let kind = self.kinds.position("consumers").ok_or_else(missing)?;
        let mut found = match Uuid::parse_str(wanted) {
            Ok(id) => self.by_id(kind, &id.into()).await?,
            Err(_) => None,
        };
        for field in ["username", "custom_id"] {
            if found.is_none() {
                found = self.by_field(kind, field, &wanted.into()).await?;
            }
        }
        let record = found.ok_or_else(missing)?;
        let mut groups = Vec::new();
        if let (Some(members), Some(group)) =
            (self.kinds.position("consumer_group_consumers"), self.kinds.position("consumer_groups"))
        {
            for member in self.children(members, "consumer", &record.id).await? {
                let Some(id) = member.reference("consumer_group") else { continue };
                let named = self.store.get(self.name(group), &id).await.map_err(|error| errors::store(&error))?;
                if let Some(id) = id.uuid() {
                    groups
                        .push((named.and_then(|group| group.text("name").map(str::to_owned)).unwrap_or_default(), id));
                }
            }
        }
        Ok(Consumer::of(record.id.uuid().unwrap_or_default(), &record.value, groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(members: Value) -> Result<RouteQuestion, String> {
        RouteQuestion::read(members.as_object().unwrap(), Uuid::nil())
    }

    #[test]
    fn a_url_is_protocol_host_and_path() {
        for (url, protocol, host, target, sni) in [
            ("https://a.test/x?y=1", "https", "a.test", "/x?y=1", Some("a.test")),
            ("http://a.test:8000", "http", "a.test:8000", "/", None),
            ("wss://A.test:1?q", "https", "A.test:1", "/?q", Some("a.test")),
            ("grpcs://[::1]:443/p.S/M", "grpcs", "[::1]:443", "/p.S/M", None),
        ] {
            let question = read(json!({"url": url})).unwrap();
            let told = (question.protocol, question.host.as_deref(), question.target.as_str(), question.sni.as_deref());
            assert_eq!(told, (protocol, Some(host), target, sni), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (members, expected) in [
            (json!({"protocol": "tcp"}), "protocol"),
            (json!({"url": "nowhere"}), "url"),
            (json!({"headers": [1]}), "headers"),
            (json!({"headers": {"a b": "1"}}), "headers: 'a b'"),
            (json!({"headers": {"a": {"b": 1}}}), "headers.a"),
            (json!({"header": "x"}), "header: expected name:value"),
            (json!({"source_ip": "x"}), "source_ip"),
            (json!({"source_port": "70000"}), "source_port"),
            (json!({"near_misses": 51}), "near_misses"),
            (json!({"method": ["GET"]}), "method"),
        ] {
            let error = read(members).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn headers_come_from_objects_and_from_lines() {
        let question = read(json!({"headers": {"a": ["1", "2"], "Host": "x"}, "header": ["b: 3:4", "c:"]})).unwrap();
        let lines: Vec<_> = question.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(lines, [("a", "1"), ("a", "2"), ("b", "3:4"), ("c", "")]);
    }
}
