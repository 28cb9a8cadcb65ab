//! Requests and Routes from JSON.
#![allow(dead_code)]

use std::borrow::Cow;
use std::net::SocketAddr;

use router::{
    CidrPort, NetProtocol, PathHandling, Protocol, Request, RouteDefinition, header_name_matches, path, split_host,
};
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct Probe {
    pub method: String,
    pub host: String,
    pub path: Vec<u8>,
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub sni: Option<String>,
    pub protocol: NetProtocol,
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

impl Probe {
    /// A GET of a raw request target.
    pub fn get(host: &str, target: &str) -> Self {
        let (raw, query) = match target.split_once('?') {
            Some((raw, query)) => (raw, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            method: "GET".into(),
            host: host.into(),
            path: path::normalize(raw.as_bytes()).into_owned(),
            query,
            headers: Vec::new(),
            sni: None,
            protocol: NetProtocol::Http,
            source: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            destination: SocketAddr::from(([127, 0, 0, 1], 18_000)),
        }
    }

    /// A request of a conformance case.
    pub fn from_case(request: &Value) -> Self {
        let mut probe = Self::get(request["host"].as_str().unwrap(), request["path"].as_str().unwrap());
        probe.method = request["method"].as_str().unwrap().into();
        for header in request["headers"].as_array().unwrap() {
            probe.headers.push((text(&header[0]), text(&header[1]).trim().to_owned()));
        }
        if request["https"] == true || request["sni"].is_string() {
            probe.protocol = NetProtocol::Https;
            probe.sni = request["sni"].as_str().map(str::to_owned);
            probe.destination.set_port(18_443);
        }
        probe
    }

    /// What the upstream gets of a path.
    pub fn target(&self, path: Cow<'_, [u8]>) -> String {
        let path = String::from_utf8(path::escape(&path).into_owned()).unwrap();
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }
}

impl Request for Probe {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }
    fn host(&self) -> &[u8] {
        split_host(self.host.as_bytes()).0
    }
    fn host_port(&self) -> Option<u16> {
        split_host(self.host.as_bytes()).1
    }
    fn path(&self) -> &[u8] {
        &self.path
    }
    fn query(&self) -> &[u8] {
        self.query.as_deref().unwrap_or_default().as_bytes()
    }
    fn net_protocol(&self) -> NetProtocol {
        self.protocol
    }
    fn sni(&self) -> Option<&[u8]> {
        self.sni.as_deref().map(str::as_bytes)
    }
    fn source(&self) -> SocketAddr {
        self.source
    }
    fn destination(&self) -> SocketAddr {
        self.destination
    }
    fn header_values<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]) -> bool) {
        let own = self.headers.iter().filter(|(header, _)| header_name_matches(header.as_bytes(), name));
        for (_, value) in own {
            if !each(value.as_bytes()) {
                return;
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn nets(value: &Value) -> Vec<CidrPort> {
    let net = |net: &Value| CidrPort {
        ip: net["ip"].as_str().map(str::to_owned),
        port: net["port"].as_u64().map(|port| port as u16),
    };
    value.as_array().into_iter().flatten().map(net).collect()
}

/// A declarative Route.
pub fn definition(route: &Value) -> RouteDefinition {
    let default = RouteDefinition::default();
    let name = route["name"].as_str().unwrap_or("route");
    RouteDefinition {
        id: route["id"]
            .as_str()
            .map_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()), |id| id.parse().unwrap()),
        created_at: route["created_at"].as_i64().unwrap_or(0),
        protocols: match &route["protocols"] {
            Value::Null => default.protocols,
            names => texts(names).iter().map(|name| name.parse::<Protocol>().unwrap()).collect(),
        },
        methods: texts(&route["methods"]),
        hosts: texts(&route["hosts"]),
        paths: texts(&route["paths"]),
        headers: route["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, values)| (name.clone(), texts(values)))
            .collect(),
        snis: texts(&route["snis"]),
        sources: nets(&route["sources"]),
        destinations: nets(&route["destinations"]),
        regex_priority: route["regex_priority"].as_i64().unwrap_or(0),
        expression: route["expression"].as_str().map(str::to_owned),
        priority: route["priority"].as_u64().unwrap_or(0),
        strip_path: route["strip_path"].as_bool().unwrap_or(true),
        path_handling: if route["path_handling"] == "v1" { PathHandling::V1 } else { PathHandling::V0 },
    }
}
