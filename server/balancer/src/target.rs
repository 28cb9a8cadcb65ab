//! Targets as configured, and what their names resolved to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use uuid::Uuid;

/// One Target of an Upstream with the present result of its name look-up.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The Target's id.
    pub id: Uuid,
    /// The host part of `target`: a name, or an IP (IPv6 in brackets, as stored).
    pub host: Arc<str>,
    /// The port part of `target`.
    pub port: u16,
    /// 0..=65535; 0 keeps the Target but never picks it.
    pub weight: u32,
    /// What the host resolved to.
    pub resolution: Resolution,
}

impl Target {
    /// The resolution of a Target whose host is an IP (with or without brackets); `None` for a name.
    pub fn literal(host: &str) -> Option<Resolution> {
        let ip = parse_ip(host)?;
        let kind = if ip.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
        Some(Resolution::Resolved { kind, records: vec![Record { ip, srv: None }] })
    }
}

/// The result of a name look-up.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// No look-up has ended yet: no address, shown as `unknown`.
    Pending,
    /// The look-up failed: no address, the error's text is shown.
    Failed(Arc<str>),
    /// The records found.
    Resolved {
        /// Their type.
        kind: RecordKind,
        /// The records, in the order of the answer.
        records: Vec<Record>,
    },
}

/// The record type of an answer, as shown in health output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Service records, each with the address of its target name.
    Srv,
    /// Records with a TTL of 0, looked up again for each request.
    ZeroTtl,
}

/// One address of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The address.
    pub ip: IpAddr,
    /// The service record it comes from, if any.
    pub srv: Option<Srv>,
}

/// The fields of a service record (RFC 2782).
#[derive(Debug, Clone, PartialEq)]
pub struct Srv {
    /// Only the records with the lowest priority are used.
    pub priority: u16,
    /// Used in place of the Target's weight; 0 counts as 1.
    pub weight: u16,
    /// Used in place of the Target's port unless 0.
    pub port: u16,
    /// The record's target name: the Host header when the Upstream has `use_srv_name`.
    pub name: Arc<str>,
}

/// What one address of a Target comes down to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub socket: SocketAddr,
    /// IP text as shown and hashed.
    pub ip: Arc<str>,
    pub hostname: Arc<str>,
    pub weight: u32,
}

impl Target {
    /// The places of this Target: every A or AAAA address has the whole weight of the Target; of service records only
    /// those of the best priority count.
    pub(crate) fn places(&self, use_srv_name: bool) -> Vec<Place> {
        let Resolution::Resolved { records, .. } = &self.resolution else { return Vec::new() };
        let best = records.iter().filter_map(|record| record.srv.as_ref().map(|srv| srv.priority)).min();
        let literal = parse_ip(&self.host).is_some();
        records
            .iter()
            .filter(|record| record.srv.as_ref().is_none_or(|srv| Some(srv.priority) == best))
            .map(|record| {
                let (port, weight) = match &record.srv {
                    Some(srv) => (
                        if srv.port == 0 { self.port } else { srv.port },
                        if self.weight == 0 { 0 } else { u32::from(srv.weight).max(1) },
                    ),
                    None => (self.port, self.weight),
                };
                let hostname = match &record.srv {
                    Some(srv) if use_srv_name => srv.name.clone(),
                    _ => self.host.clone(),
                };
                let ip = if literal { self.host.clone() } else { ip_text(record.ip) };
                Place { socket: SocketAddr::new(record.ip, port), ip, hostname, weight }
            })
            .collect()
    }

    /// The text of the `dns` member in health output.
    pub(crate) fn dns(&self) -> &str {
        match &self.resolution {
            Resolution::Pending => "unknown",
            Resolution::Failed(error) => error,
            Resolution::Resolved { kind: RecordKind::A, .. } => "A",
            Resolution::Resolved { kind: RecordKind::Aaaa, .. } => "AAAA",
            Resolution::Resolved { kind: RecordKind::Srv, .. } => "SRV",
            Resolution::Resolved { kind: RecordKind::ZeroTtl, .. } => "ttl=0, virtual SRV",
        }
    }
}

fn ip_text(ip: IpAddr) -> Arc<str> {
    match ip {
        IpAddr::V4(ip) => Arc::from(ip.to_string()),
        IpAddr::V6(ip) => Arc::from(format!("[{ip}]")),
    }
}

fn parse_ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(ip: &str, priority: u16, weight: u16, port: u16) -> Record {
        Record { ip: ip.parse().unwrap(), srv: Some(Srv { priority, weight, port, name: Arc::from("node.test") }) }
    }

    fn target(host: &str, weight: u32, resolution: Resolution) -> Target {
        Target { id: Uuid::from_u128(1), host: Arc::from(host), port: 8000, weight, resolution }
    }

    #[test]
    fn every_address_of_a_name_has_the_whole_weight() {
        let records = ["10.0.0.1", "10.0.0.2"].map(|ip| Record { ip: ip.parse().unwrap(), srv: None }).to_vec();
        let found = target("pool.test", 100, Resolution::Resolved { kind: RecordKind::A, records }).places(true);
        let shown: Vec<_> =
            found.iter().map(|p| format!("{} {} {} {}", p.socket, p.ip, p.hostname, p.weight)).collect();
        assert_eq!(shown, ["10.0.0.1:8000 10.0.0.1 pool.test 100", "10.0.0.2:8000 10.0.0.2 pool.test 100"]);
    }

    #[test]
    fn service_records_of_the_best_priority_bring_port_weight_and_name() {
        let records = vec![srv("10.0.0.1", 2, 9, 1), srv("10.0.0.2", 1, 0, 0), srv("10.0.0.3", 1, 7, 99)];
        let resolution = Resolution::Resolved { kind: RecordKind::Srv, records };
        let cases = [
            (true, 100, vec!["10.0.0.2:8000 node.test 1", "10.0.0.3:99 node.test 7"]),
            (false, 100, vec!["10.0.0.2:8000 pool.test 1", "10.0.0.3:99 pool.test 7"]),
            (false, 0, vec!["10.0.0.2:8000 pool.test 0", "10.0.0.3:99 pool.test 0"]),
        ];
        for (use_srv_name, weight, expected) in cases {
            let found = target("pool.test", weight, resolution.clone()).places(use_srv_name);
            let shown: Vec<_> = found.iter().map(|p| format!("{} {} {}", p.socket, p.hostname, p.weight)).collect();
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn an_ip_is_shown_as_it_is_stored() {
        let host = "[0000:0000:0000:0000:0000:0000:0000:0001]";
        let found = target(host, 1, Target::literal(host).unwrap()).places(false);
        assert_eq!(&*found[0].ip, host);
        assert_eq!(found[0].socket, "[::1]:8000".parse().unwrap());
        assert!(Target::literal("pool.test").is_none());
    }

    #[test]
    fn unresolved_targets_have_no_place_and_say_why() {
        for (resolution, text) in
            [(Resolution::Pending, "unknown"), (Resolution::Failed(Arc::from("dns server error")), "dns server error")]
        {
            let target = target("pool.test", 1, resolution);
            assert!(target.places(false).is_empty());
            assert_eq!(target.dns(), text);
        }
    }
}
