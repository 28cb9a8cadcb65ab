//! What a look-up comes to.

use balancer::{Record, RecordKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Why a name has no address. Texts are those Kong's users see in health output and errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist (RFC 1035 response code 3).
    #[error("dns server error: 3 name error")]
    NameError,
    /// The name exists and has no record of the types asked for.
    #[error("dns client error: 101 empty record received")]
    Empty,
    /// The servers failed or could not be asked.
    #[error("{0}")]
    Failed(Arc<str>),
}

impl DnsError {
    /// Whether it is known that there is no such name, or no address for it: 503 `name resolution failed`.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NameError | Self::Empty)
    }
}

/// What a look-up comes to.
pub type Found = Result<Arc<Answer>, DnsError>;

/// The records of a name. Never empty.
#[derive(Debug)]
pub struct Answer {
    /// Type of the records.
    pub kind: RecordKind,
    /// The records, in the order of the answer.
    pub records: Vec<Record>,
    /// The shortest time to live among them.
    pub ttl: Duration,
    turn: AtomicUsize,
}

impl Answer {
    pub(super) fn new(kind: RecordKind, records: Vec<Record>, ttl: Duration) -> Self {
        Self { kind, records, ttl, turn: AtomicUsize::new(0) }
    }

    /// An answer with addresses alone.
    pub(super) fn of_addresses(addresses: impl IntoIterator<Item = IpAddr>, ttl: Duration) -> Self {
        let records: Vec<_> = addresses.into_iter().map(|ip| Record { ip, srv: None }).collect();
        let v6 = records.first().is_some_and(|record| record.ip.is_ipv6());
        Self::new(if v6 { RecordKind::Aaaa } else { RecordKind::A }, records, ttl)
    }

    /// The next address for a connection: addresses take turns; of service records those of the best priority do, by
    /// weight, and their port goes before `port` unless it is 0.
    pub fn next(&self, port: u16) -> Option<SocketAddr> {
        let best = self.records.iter().filter_map(|record| record.srv.as_ref().map(|srv| srv.priority)).min();
        let eligible = || {
            self.records.iter().filter(move |record| record.srv.as_ref().is_none_or(|srv| Some(srv.priority) == best))
        };
        let weight = |record: &Record| record.srv.as_ref().map_or(1, |srv| usize::from(srv.weight).max(1));
        let total: usize = eligible().map(weight).sum();
        let mut turn = self.turn.fetch_add(1, Relaxed).checked_rem(total)?;
        for record in eligible() {
            match turn.checked_sub(weight(record)) {
                Some(rest) => turn = rest,
                None => {
                    let port = record.srv.as_ref().map(|srv| srv.port).filter(|port| *port != 0).unwrap_or(port);
                    return Some(SocketAddr::new(record.ip, port));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use balancer::Srv;

    #[test]
    fn addresses_take_turns_and_service_records_bring_port_and_weight() {
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let plain = Answer::of_addresses([ip(1), ip(2)], Duration::ZERO);
        let seen: Vec<String> = (0..3).map(|_| plain.next(80).unwrap().to_string()).collect();
        assert_eq!(seen, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]);
        let srv = |last, priority, weight, port| Record {
            ip: ip(last),
            srv: Some(Srv { priority, weight, port, name: Arc::from("n.test") }),
        };
        let records = vec![srv(1, 2, 9, 1), srv(2, 1, 0, 0), srv(3, 1, 2, 99)];
        let services = Answer::new(RecordKind::Srv, records, Duration::ZERO);
        let seen: Vec<String> = (0..4).map(|_| services.next(80).unwrap().to_string()).collect();
        assert_eq!(seen, ["10.0.0.2:80", "10.0.0.3:99", "10.0.0.3:99", "10.0.0.2:80"]);
        assert_eq!(Answer::of_addresses([], Duration::ZERO).next(80), None);
    }
}
