//! Classic Route fields, compiled: what the index has not already made sure of.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::expression::{Trace, lower};
use crate::pattern::Pattern;
use crate::request::Request;
use crate::route::NetProtocol;

/// Conditions that all must hold; an empty list is no condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) hosts: Vec<HostRule>,
    pub(crate) methods: Vec<Box<[u8]>>,
    /// The first that matches decides what of the path has matched.
    pub(crate) patterns: Vec<Pattern>,
    /// Any value of each.
    pub(crate) headers: Vec<HeaderRule>,
    pub(crate) snis: Vec<NameRule>,
    pub(crate) sources: Vec<NetRule>,
    pub(crate) destinations: Vec<NetRule>,
    /// Whether an `https` connection is the only one that is held to `snis`, or (in the traditional flavour) any
    /// but a cleartext `http` request.
    pub(crate) sni_scope: SniScope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SniScope {
    /// Only requests of this very protocol.
    #[default]
    Https,
    /// Only connections that are terminated here.
    Tls,
    /// Everything but cleartext HTTP.
    NotHttp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameKind {
    Exact,
    Prefix,
    Suffix,
}

/// A name, or its beginning or end.
#[derive(Clone, Debug)]
pub(crate) struct NameRule {
    pub(crate) kind: NameKind,
    pub(crate) text: Box<[u8]>,
    /// Whether a wildcard stands for at least one byte.
    pub(crate) proper: bool,
}

impl NameRule {
    pub(crate) fn holds(&self, name: &[u8]) -> bool {
        let matches = match self.kind {
            NameKind::Exact => return name == &*self.text,
            NameKind::Prefix => name.starts_with(&self.text),
            NameKind::Suffix => name.ends_with(&self.text),
        };
        matches && (!self.proper || name.len() > self.text.len())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HostRule {
    pub(crate) name: NameRule,
    pub(crate) port: PortRule,
}

impl HostRule {
    /// Whether finding the name says everything.
    pub(crate) fn is_plain(&self) -> bool {
        self.port == PortRule::Any && (self.name.kind == NameKind::Exact || !self.name.proper)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortRule {
    Any,
    /// The port the client meant, named or not.
    Destination(u16),
    /// The port in the `Host` header, which must be there.
    Named(u16),
    /// The port in the `Host` header, or else the scheme's.
    NamedOrDefault(u16),
}

impl PortRule {
    fn holds<R: Request + ?Sized>(self, request: &R) -> bool {
        match self {
            Self::Any => true,
            Self::Destination(port) => request.host_port().unwrap_or_else(|| request.destination().port()) == port,
            Self::Named(port) => request.host_port() == Some(port),
            Self::NamedOrDefault(port) => {
                let default = if request.net_protocol() == NetProtocol::Https { 443 } else { 80 };
                request.host_port().unwrap_or(default) == port
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HeaderRule {
    /// Lower case, `_` for `-`.
    pub(crate) name: Box<str>,
    /// In lower case.
    pub(crate) values: Vec<Box<[u8]>>,
    /// Looked for in the value in lower case.
    pub(crate) patterns: Vec<Pattern>,
}

impl HeaderRule {
    fn holds<R: Request + ?Sized>(&self, request: &R) -> bool {
        let mut found = false;
        request.header_values(&self.name, &mut |value| {
            found = self.accepts(value);
            !found
        });
        found
    }

    fn accepts(&self, value: &[u8]) -> bool {
        if value.is_ascii() && self.values.iter().any(|known| known.eq_ignore_ascii_case(value)) {
            return true;
        }
        if value.is_ascii() && self.patterns.is_empty() {
            return false;
        }
        let value = lower(value);
        self.values.iter().any(|known| **known == *value) || self.patterns.iter().any(|p| p.is_match(&value))
    }
}

/// An address or a network, a port, or both.
#[derive(Clone, Debug)]
pub(crate) struct NetRule {
    pub(crate) net: Option<IpNet>,
    pub(crate) port: Option<u16>,
}

impl NetRule {
    fn holds(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.net.is_none_or(|net| net.contains(&address))
    }
}

impl Fields {
    /// Whether there is nothing left to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && self.methods.is_empty()
            && self.patterns.is_empty()
            && self.headers.is_empty()
            && self.snis.is_empty()
            && self.sources.is_empty()
            && self.destinations.is_empty()
    }

    pub(crate) fn hold<R: Request + ?Sized>(&self, request: &R, trace: &mut Trace) -> bool {
        let one = |list: bool, any: &dyn Fn() -> bool| list || any();
        one(self.snis.is_empty(), &|| self.sni_holds(request))
            && one(self.methods.is_empty(), &|| self.methods.iter().any(|method| **method == *request.method()))
            && one(self.hosts.is_empty(), &|| {
                let host = request.host();
                self.hosts.iter().any(|rule| rule.name.holds(host) && rule.port.holds(request))
            })
            && one(self.sources.is_empty(), &|| {
                let peer = request.source();
                let address = peer.ip().to_canonical();
                self.sources.iter().any(|rule| rule.holds(address, peer.port()))
            })
            && one(self.destinations.is_empty(), &|| {
                let address = request.destination().ip().to_canonical();
                let port = request.host_port().unwrap_or_else(|| request.destination().port());
                self.destinations.iter().any(|rule| rule.holds(address, port))
            })
            && self.headers.iter().all(|rule| rule.holds(request))
            && self.path_holds(request.path(), trace)
    }

    fn path_holds(&self, path: &[u8], trace: &mut Trace) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        self.patterns.iter().any(|pattern| {
            let matched = pattern.matched_len(path);
            if matched.is_some() {
                *trace = Trace { matched, pattern: Some(pattern.id) };
            }
            matched.is_some()
        })
    }

    fn sni_holds<R: Request + ?Sized>(&self, request: &R) -> bool {
        let protocol = request.net_protocol();
        let held = match self.sni_scope {
            SniScope::Https => protocol == NetProtocol::Https,
            SniScope::Tls => protocol == NetProtocol::Tls,
            SniScope::NotHttp => protocol != NetProtocol::Http,
        };
        !held || request.sni().is_some_and(|sni| self.snis.iter().any(|rule| rule.holds(sni)))
    }
}
