//! From definitions to candidates: in which order Routes are tried, under which keys they are found, and what is
//! checked before one is taken.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use uuid::Uuid;

use crate::expression::{self, Node, Value};
use crate::fields::{Fields, HeaderRule, HostRule, NameKind, NameRule, NetRule, PortRule, SniScope};
use crate::keys::{HostKey, Keys, PathKey};
use crate::path;
use crate::pattern::{Dialect, Pattern};
use crate::priority;
use crate::route::{CidrPort, Flavor, RouteDefinition, Subsystem};

/// Ascending: the smallest is tried first.
pub(crate) type Order = (u128, u128, i64, usize);

/// Every protocol.
pub(crate) const ANY_PROTOCOL: u8 = u8::MAX;

/// One internal Route, before it is indexed.
pub(crate) struct Candidate {
    pub(crate) route: usize,
    pub(crate) order: Order,
    /// Protocols whose requests it takes, as bits.
    pub(crate) protocols: u8,
    pub(crate) keys: Keys,
    /// None when the keys say it all.
    pub(crate) check: Option<Check>,
    /// Length of the path's matched part where the check does not say it.
    pub(crate) matched: usize,
}

impl Candidate {
    /// Drops the checks that a lookup by the keys makes sure of; `methods` says whether it does for the methods.
    pub(crate) fn settle(&mut self, methods: bool) {
        let Some(Check::Fields(fields)) = &mut self.check else { return };
        if methods {
            fields.methods.clear();
        }
        if !self.keys.hosts.is_empty() && fields.hosts.iter().all(HostRule::is_plain) {
            fields.hosts.clear();
        }
        if fields.is_empty() {
            self.check = None;
        }
    }

    /// Whether it must be looked at before it is taken.
    pub(crate) fn needs_check(&self) -> bool {
        self.check.is_some() || self.protocols != ANY_PROTOCOL
    }
}

/// What has to hold beyond the keys.
#[derive(Debug)]
pub(crate) enum Check {
    Fields(Box<Fields>),
    Expression(Box<Node>),
}

/// Compiles Routes and their regexes, each text once.
pub(crate) struct Compiler {
    flavor: Flavor,
    known: HashMap<(String, Dialect), Result<Pattern, String>>,
    pub(crate) patterns: Vec<Pattern>,
}

impl Compiler {
    pub(crate) fn new(flavor: Flavor) -> Self {
        Self { flavor, known: HashMap::new(), patterns: Vec::new() }
    }

    /// The candidates of one Route; none for one without anything to match.
    pub(crate) fn compile(&mut self, number: usize, route: &RouteDefinition) -> Result<Vec<Candidate>, String> {
        if self.flavor == Flavor::Expressions
            && let Some(text) = &route.expression
        {
            return Ok(vec![self.expression(number, route, text)?]);
        }
        let empty = route.methods.is_empty()
            && route.hosts.is_empty()
            && route.paths.is_empty()
            && route.headers.is_empty()
            && route.snis.is_empty()
            && route.sources.is_empty()
            && route.destinations.is_empty();
        if empty {
            return Ok(Vec::new());
        }
        match self.flavor {
            Flavor::Traditional => self.traditional(number, route),
            Flavor::TraditionalCompatible | Flavor::Expressions => self.compatible(number, route),
        }
    }

    /// Compiles a regex, or finds it among those compiled.
    fn pattern(&mut self, text: &str, dialect: Dialect) -> Result<Pattern, String> {
        let patterns = &mut self.patterns;
        let entry = self.known.entry((text.to_owned(), dialect)).or_insert_with(|| {
            let mut pattern = Pattern::deferred(text, dialect)?;
            pattern.id = patterns.len() as u32;
            patterns.push(pattern.clone());
            Ok(pattern)
        });
        entry.clone()
    }

    fn expression(&mut self, number: usize, route: &RouteDefinition, text: &str) -> Result<Candidate, String> {
        let mut root = expression::parse_deferred(text, route.subsystem())?;
        self.adopt(&mut root);
        Ok(Candidate {
            route: number,
            order: order_by_priority(0xFF << 56 | route.priority, route.id, number),
            protocols: self.protocols(route),
            keys: Keys::of_expression(&root),
            check: Some(Check::Expression(Box::new(root))),
            matched: 1,
        })
    }

    /// Gives the patterns of an expression their places in the list.
    fn adopt(&mut self, node: &mut Node) {
        match node {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter_mut().for_each(|node| self.adopt(node)),
            Node::Not(inner) => self.adopt(inner),
            Node::Test(predicate) => {
                if let Value::Pattern(pattern) = &mut predicate.value {
                    pattern.id = self.patterns.len() as u32;
                    self.patterns.push(pattern.clone());
                }
            }
        }
    }

    /// Only the expressions flavour matches by protocol; a Route for one kind of TLS alone stays reachable without,
    /// so that it can redirect.
    fn protocols(&self, route: &RouteDefinition) -> u8 {
        use crate::route::Protocol::{Https, Tls, TlsPassthrough};
        if self.flavor != Flavor::Expressions || matches!(route.protocols[..], [] | [Https | Tls | TlsPassthrough]) {
            return ANY_PROTOCOL;
        }
        route.protocols.iter().fold(0, |bits, protocol| bits | protocol.net_protocol().bit())
    }

    fn compatible(&mut self, number: usize, route: &RouteDefinition) -> Result<Vec<Candidate>, String> {
        let http = route.subsystem() == Subsystem::Http;
        let mut common = Fields {
            sni_scope: if http { SniScope::Https } else { SniScope::Tls },
            snis: route.snis.iter().map(|sni| name_rule(expression::without_final_dot(sni), false)).collect(),
            sources: nets(&route.sources, true)?,
            destinations: nets(&route.destinations, true)?,
            ..Fields::default()
        };
        if http {
            common.hosts = route.hosts.iter().map(|host| compatible_host(host)).collect();
            for (name, values) in &route.headers {
                common.headers.push(self.compatible_header(name, values)?);
            }
        }
        priority::parts(route)
            .into_iter()
            .map(|part| {
                let mut fields = common.clone();
                let mut keys = Keys::default();
                let mut matched = 1;
                for &path in &part.paths {
                    match route.paths[path].strip_prefix('~') {
                        Some(regex) => {
                            let text = expression::path_pattern(regex);
                            self.path_pattern(&text, Dialect::Linear, &mut fields, &mut keys)?;
                        }
                        None => {
                            matched = route.paths[path].len();
                            keys.paths.push(PathKey { text: route.paths[path].as_bytes().into(), exact: false });
                        }
                    }
                }
                finish(if http { &route.methods } else { &[] }, &mut fields, &mut keys);
                Ok(Candidate {
                    route: number,
                    order: order_by_priority(part.priority, part.id, number),
                    protocols: self.protocols(route),
                    keys,
                    check: Some(Check::Fields(Box::new(fields))),
                    matched,
                })
            })
            .collect()
    }

    fn compatible_header(&mut self, name: &str, values: &[String]) -> Result<HeaderRule, String> {
        let mut rule =
            HeaderRule { name: expression::header_field(name).into(), values: Vec::new(), patterns: Vec::new() };
        for value in values {
            let lowered = value.to_ascii_lowercase();
            match lowered.strip_prefix("~*") {
                Some(regex) => rule.patterns.push(self.pattern(regex, Dialect::Linear)?),
                None => rule.values.push(lowered.into_bytes().into()),
            }
        }
        Ok(rule)
    }

    /// Adds one regex of a path, and the bytes its matches begin with to the keys.
    fn path_pattern(
        &mut self,
        text: &str,
        dialect: Dialect,
        fields: &mut Fields,
        keys: &mut Keys,
    ) -> Result<(), String> {
        let pattern = self.pattern(text, dialect)?;
        let prefix = pattern.anchored_prefix().unwrap_or_default();
        keys.paths.push(PathKey { text: prefix.into(), exact: false });
        keys.patterns.extend(pattern.linear_text().map(str::to_owned));
        fields.patterns.push(pattern);
        if keys.patterns.len() != fields.patterns.len() {
            keys.patterns.clear();
        }
        Ok(())
    }

    /// One candidate per path, ordered by category (`router.md` §4).
    fn traditional(&mut self, number: usize, route: &RouteDefinition) -> Result<Vec<Candidate>, String> {
        let http = route.subsystem() == Subsystem::Http;
        let mut common = Fields {
            sni_scope: SniScope::NotHttp,
            sources: nets(&route.sources, false)?,
            destinations: nets(&route.destinations, false)?,
            ..Fields::default()
        };
        for sni in &route.snis {
            let text = expression::without_final_dot(sni).as_bytes().into();
            common.snis.push(NameRule { kind: NameKind::Exact, text, proper: false });
        }
        if http {
            common.hosts = route.hosts.iter().map(|host| traditional_host(host)).collect();
            for (name, values) in route.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
                common.headers.push(self.traditional_header(name, values)?);
            }
        }
        let paths: Vec<Option<&str>> = if route.paths.is_empty() {
            vec![None]
        } else {
            route.paths.iter().map(|path| Some(path.as_str())).collect()
        };
        paths
            .into_iter()
            .map(|path| {
                let mut fields = common.clone();
                let mut keys = Keys::default();
                let mut matched = 1;
                if let Some(regex) = path.and_then(|path| path.strip_prefix('~')) {
                    self.path_pattern(regex, Dialect::PcreAnchored, &mut fields, &mut keys)?;
                } else if let Some(prefix) = path {
                    let prefix = path::normalize(prefix.as_bytes()).into_owned().into_boxed_slice();
                    matched = prefix.len();
                    keys.paths.push(PathKey { text: prefix, exact: false });
                }
                finish(if http { &route.methods } else { &[] }, &mut fields, &mut keys);
                Ok(Candidate {
                    route: number,
                    order: order_by_category(route, path, number),
                    protocols: ANY_PROTOCOL,
                    keys,
                    check: Some(Check::Fields(Box::new(fields))),
                    matched,
                })
            })
            .collect()
    }

    fn traditional_header(&mut self, name: &str, values: &[String]) -> Result<HeaderRule, String> {
        let mut rule = HeaderRule {
            name: expression::header_field(name).into(),
            values: values.iter().map(|value| value.to_ascii_lowercase().into_bytes().into()).collect(),
            patterns: Vec::new(),
        };
        // A regex is one only as the single value.
        if let [only] = values
            && let Some(regex) = only.strip_prefix("~*")
        {
            rule.patterns.push(self.pattern(regex, Dialect::PcreCaseless)?);
        }
        Ok(rule)
    }
}

fn order_by_priority(priority: u64, id: Uuid, number: usize) -> Order {
    (!u128::from(priority), !id.as_u128(), 0, number)
}

fn order_by_category(route: &RouteDefinition, path: Option<&str>, number: usize) -> Order {
    let headers = route.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).count() as u128;
    let bits = [
        (!route.hosts.is_empty(), 64u128),
        (headers > 0, 32),
        (path.is_some(), 16),
        (!route.methods.is_empty(), 8),
        (!route.snis.is_empty(), 4),
        (!route.sources.is_empty(), 2),
        (!route.destinations.is_empty(), 1),
    ];
    let category: u128 = bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
    let regex = path.is_some_and(|path| path.starts_with('~'));
    let wildcard = |host: &&String| host.contains('*');
    let wildcard_port =
        route.hosts.iter().filter(wildcard).any(|host| expression::split_configured_host(host).1.is_some());
    let plain = !route.hosts.is_empty() && !route.hosts.iter().any(|host| host.contains('*'));
    let submatch = u128::from(wildcard_port) * 4 + u128::from(plain) * 2 + u128::from(regex);
    let major = u128::from(category.count_ones()) << 112 | category << 96 | submatch << 80 | headers.min(0xFFFF);
    // An order-preserving image of a signed number.
    let regex_priority = if regex { (route.regex_priority as u64) ^ (1 << 63) } else { 0 };
    let len = if regex { 0 } else { path.map_or(0, str::len) };
    (!major, !(u128::from(regex_priority) << 64 | len as u128), route.created_at, number)
}

/// Moves what the index makes sure of from the checks to the keys.
fn finish(methods: &[String], fields: &mut Fields, keys: &mut Keys) {
    keys.methods = methods.iter().map(|method| method.as_bytes().into()).collect();
    fields.methods = keys.methods.clone();
    let hosts: Option<Vec<HostKey>> =
        fields.hosts.iter().map(|rule| HostKey::new(rule.name.kind, &rule.name.text)).collect();
    keys.hosts = hosts.unwrap_or_default();
    keys.limit();
}

fn name_rule(name: &str, proper: bool) -> NameRule {
    let (operator, text) = expression::wildcard(name);
    let kind = match operator {
        "=^" => NameKind::Suffix,
        "^=" => NameKind::Prefix,
        _ => NameKind::Exact,
    };
    NameRule { kind, text: text.as_bytes().into(), proper }
}

fn compatible_host(host: &str) -> HostRule {
    let (name, port) = expression::split_configured_host(host);
    HostRule { name: name_rule(name, false), port: port.map_or(PortRule::Any, PortRule::Destination) }
}

fn traditional_host(host: &str) -> HostRule {
    let (name, port) = expression::split_configured_host(host);
    let name = name_rule(name, true);
    let port = match (port, name.kind) {
        (None, _) => PortRule::Any,
        (Some(port), NameKind::Exact) => PortRule::Named(port),
        (Some(port), _) => PortRule::NamedOrDefault(port),
    };
    HostRule { name, port }
}

/// `strict`: host bits of an IPv6 network must be zero, as the expression's literal demands.
fn nets(nets: &[CidrPort], strict: bool) -> Result<Vec<NetRule>, String> {
    nets.iter()
        .map(|net| {
            let parsed = match &net.ip {
                None => None,
                Some(ip) if ip.contains('/') => Some(network(ip, strict)?),
                Some(ip) => {
                    let address: IpAddr = ip.parse().map_err(|_| format!("'{ip}' is not an IP address"))?;
                    Some(IpNet::from(address))
                }
            };
            Ok(NetRule { net: parsed, port: net.port })
        })
        .collect()
}

fn network(cidr: &str, strict: bool) -> Result<IpNet, String> {
    let net: IpNet = expression::masked(cidr).parse().map_err(|_| format!("'{cidr}' is not a CIDR"))?;
    if strict && net.trunc() != net {
        return Err(format!("host part of address was not zero in '{cidr}'"));
    }
    Ok(net.trunc())
}
