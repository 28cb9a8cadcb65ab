//! The expression that says the same as a Route's classic fields (`router.md` §2). It is what validation parses
//! and what users see in errors; matching itself works on the fields.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::route::{CidrPort, RouteDefinition, Subsystem};

/// The text for all classic fields of a Route; empty when none is set.
pub fn from_route(route: &RouteDefinition) -> String {
    let stream = route.subsystem() == Subsystem::Stream;
    let mut conditions = Vec::new();
    if !route.snis.is_empty() {
        let protocol = if stream { "tls" } else { "https" };
        let snis = any_of(&route.snis, |sni| {
            let (operator, name) = wildcard(without_final_dot(sni));
            format!("tls.sni {operator} {}", quoted(name))
        });
        conditions.push(format!("(net.protocol != r#\"{protocol}\"# || {snis})"));
    }
    if !route.sources.is_empty() {
        conditions.push(any_of(&route.sources, |net| peer("net.src", net)));
    }
    if !route.destinations.is_empty() {
        conditions.push(any_of(&route.destinations, |net| peer("net.dst", net)));
    }
    if !stream {
        http_conditions(route, &mut conditions);
    }
    conditions.join(" && ")
}

fn http_conditions(route: &RouteDefinition, conditions: &mut Vec<String>) {
    if !route.methods.is_empty() {
        conditions.push(any_of(&route.methods, |method| format!("http.method == {}", quoted(method))));
    }
    if !route.hosts.is_empty() {
        conditions.push(any_of(&route.hosts, |host| {
            let (host, port) = split_configured_host(host);
            let (operator, name) = wildcard(host);
            match port {
                Some(port) => format!("(http.host {operator} r#\"{name}\"# && net.dst.port == {port})"),
                None => format!("http.host {operator} r#\"{name}\"#"),
            }
        }));
    }
    if !route.paths.is_empty() {
        conditions.push(any_of(&route.paths, |path| match path.strip_prefix('~') {
            Some(regex) => format!("http.path ~ {}", quoted(&path_pattern(regex))),
            None => format!("http.path ^= {}", quoted(path)),
        }));
    }
    for (name, values) in &route.headers {
        let name = header_field(name);
        conditions.push(any_of(values, |value| match value.strip_prefix("~*") {
            Some(regex) => format!("any(lower(http.headers.{name})) ~ {}", quoted(&regex.to_ascii_lowercase())),
            None => format!("any(lower(http.headers.{name})) == {}", quoted(&value.to_ascii_lowercase())),
        }));
    }
}

fn any_of<T>(values: &[T], condition: impl Fn(&T) -> String) -> String {
    let conditions: Vec<String> = values.iter().map(condition).collect();
    format!("({})", conditions.join(" || "))
}

/// A raw string where possible.
fn quoted(text: &str) -> String {
    if text.contains("\"#") {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("r#\"{text}\"#")
    }
}

fn peer(field: &str, net: &CidrPort) -> String {
    let mut text = String::new();
    if let Some(ip) = &net.ip {
        let (operator, ip) = if ip.contains('/') { ("in", masked(ip)) } else { ("==", ip.clone()) };
        let _ = write!(text, "{field}.ip {operator} {ip}");
    }
    match (net.port, text.is_empty()) {
        (Some(port), true) => format!("{field}.port == {port}"),
        (Some(port), false) => format!("({text} && {field}.port == {port})"),
        (None, _) => text,
    }
}

/// A CIDR with the host bits of an IPv4 address cleared; those of IPv6 stay.
pub(crate) fn masked(cidr: &str) -> String {
    let parts = cidr.split_once('/').and_then(|(address, length)| {
        Some((address.parse::<Ipv4Addr>().ok()?, length.parse::<u32>().ok().filter(|length| *length <= 32)?))
    });
    match parts {
        Some((address, length)) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        None => cidr.to_owned(),
    }
}

/// The operator and the text a name with at most one wildcard at its end stands for.
pub(crate) fn wildcard(name: &str) -> (&'static str, &str) {
    if let Some(suffix) = name.strip_prefix('*') {
        ("=^", suffix)
    } else if let Some(prefix) = name.strip_suffix('*') {
        ("^=", prefix)
    } else {
        ("==", name)
    }
}

/// A fully qualified name's final dot is not sent in a handshake.
pub(crate) fn without_final_dot(name: &str) -> &str {
    if name.len() > 1 { name.strip_suffix('.').unwrap_or(name) } else { name }
}

/// Splits `name:port`; a port that is no number stays part of the name.
pub(crate) fn split_configured_host(host: &str) -> (&str, Option<u16>) {
    match host.split_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, None),
        },
        _ => (host, None),
    }
}

/// A path's regex as it is compiled: anchored at the start, named groups in the older spelling.
pub(crate) fn path_pattern(regex: &str) -> String {
    format!("^{}", regex.replace("?<", "?P<"))
}

/// A header's name as a field.
pub(crate) fn header_field(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}
