//! Asking DNS servers about one name.

use super::answer::{Answer, DnsError};
use super::settings::{DnsSettings, Order};
use balancer::{Record, RecordKind, Srv};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Refusal, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Asks name servers.
pub(super) struct Query {
    resolver: TokioResolver,
    order: Vec<Order>,
    search: Vec<Name>,
    ndots: usize,
    valid_ttl: Option<Duration>,
}

/// Service records without end would keep a look-up busy; further ones are left out.
const MOST_SERVICES: usize = 256;

impl Query {
    /// Reads `resolv.conf` where there is one.
    pub fn new(settings: &DnsSettings) -> Result<Self, NetError> {
        let system = std::fs::read(&settings.resolv_conf).map_err(|error| error.to_string());
        let system = system.and_then(|text| system_conf::parse_resolv_conf(text).map_err(|error| error.to_string()));
        let (config, mut options) = system.unwrap_or_else(|error| {
            if settings.resolvers.is_empty() {
                tracing::warn!(file = %settings.resolv_conf.display(), error, "no name servers: only addresses and the hosts file will resolve");
            }
            (ResolverConfig::default(), ResolverOpts::default())
        });
        let (_, search, servers) = config.into_parts();
        let servers = match settings.resolvers.as_slice() {
            [] => servers,
            given => given.iter().map(|server| name_server(server.ip(), server.port())).collect(),
        };
        let ndots = options.ndots;
        // The cache, the hosts file and the search list are ours.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self {
            resolver: builder.build()?,
            order: settings.order.clone(),
            search,
            ndots,
            valid_ttl: settings.valid_ttl,
        })
    }

    /// The records of a name; `last` is the type that was found the last time.
    pub async fn ask(&self, name: &str, last: Option<Order>) -> Result<Answer, DnsError> {
        let candidates = self.candidates(name)?;
        let mut error = DnsError::Empty;
        let mut tried = Vec::new();
        for kind in self.order.iter().filter_map(|kind| if *kind == Order::Last { last } else { Some(*kind) }) {
            // An alias is followed where addresses are asked for.
            let kind = if kind == Order::Cname { Order::A } else { kind };
            if tried.contains(&kind) {
                continue;
            }
            tried.push(kind);
            match self.of_kind(&candidates, kind).await {
                Ok(answer) => return Ok(answer),
                Err(found) => error = found,
            }
        }
        Err(error)
    }

    /// The names to try in their order, with the place of the name as given: it goes first where it has `ndots` dots.
    fn candidates(&self, name: &str) -> Result<(Vec<Name>, usize), DnsError> {
        let invalid = |_| DnsError::Failed(Arc::from(format!("invalid name '{name}'")));
        let mut own = Name::from_str_relaxed(name).map_err(invalid)?;
        if own.is_fqdn() {
            return Ok((vec![own], 0));
        }
        let dots = name.matches('.').count();
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|domain| own.clone().append_domain(domain).ok()).collect();
        own.set_fqdn(true);
        let place = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(place, own);
        Ok((names, place))
    }

    async fn of_kind(&self, (names, own): &(Vec<Name>, usize), kind: Order) -> Result<Answer, DnsError> {
        let mut error = DnsError::Empty;
        for (index, name) in names.iter().enumerate() {
            let found = match kind {
                Order::Srv => self.services(name).await,
                Order::Aaaa => self.addresses(name, RecordType::AAAA).await,
                _ => self.addresses(name, RecordType::A).await,
            };
            match found {
                Ok((records, ttl)) => return Ok(self.answer(records, ttl)),
                Err(found) if index == *own => error = found,
                Err(_) => {}
            }
        }
        Err(error)
    }

    fn answer(&self, records: Vec<Record>, ttl: Duration) -> Answer {
        let ttl = self.valid_ttl.unwrap_or(ttl);
        let kind = match records.first() {
            _ if ttl.is_zero() => RecordKind::ZeroTtl,
            Some(Record { srv: Some(_), .. }) => RecordKind::Srv,
            Some(Record { ip: IpAddr::V6(_), .. }) => RecordKind::Aaaa,
            _ => RecordKind::A,
        };
        Answer::new(kind, records, ttl)
    }

    async fn addresses(&self, name: &Name, kind: RecordType) -> Result<(Vec<Record>, Duration), DnsError> {
        let found = self.resolver.lookup(name.clone(), kind).await.map_err(error_of)?;
        let mut ttl = u32::MAX;
        let mut records = Vec::new();
        for record in found.answers() {
            ttl = ttl.min(record.ttl);
            match &record.data {
                RData::A(ip) if kind == RecordType::A => records.push(Record { ip: IpAddr::V4(ip.0), srv: None }),
                RData::AAAA(ip) if kind == RecordType::AAAA => {
                    records.push(Record { ip: IpAddr::V6(ip.0), srv: None });
                }
                _ => {}
            }
        }
        if records.is_empty() { Err(DnsError::Empty) } else { Ok((records, Duration::from_secs(ttl.into()))) }
    }

    /// Service records, each with every address of its target name. Names without address are left out.
    async fn services(&self, name: &Name) -> Result<(Vec<Record>, Duration), DnsError> {
        let found = self.resolver.lookup(name.clone(), RecordType::SRV).await.map_err(error_of)?;
        let mut ttl = Duration::MAX;
        let mut records = Vec::new();
        let mut error = DnsError::Empty;
        let services = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(service) => Some((record.ttl, service)),
            _ => None,
        });
        for (seconds, service) in services.take(MOST_SERVICES) {
            ttl = ttl.min(Duration::from_secs(seconds.into()));
            let target = service.target.to_utf8();
            let srv = Srv {
                priority: service.priority,
                weight: service.weight,
                port: service.port,
                name: Arc::from(target.trim_end_matches('.')),
            };
            match self.addresses_of_target(&service.target).await {
                Ok((addresses, seconds)) => {
                    ttl = ttl.min(seconds);
                    records.extend(addresses.into_iter().map(|record| Record { srv: Some(srv.clone()), ..record }));
                }
                Err(found) => error = found,
            }
        }
        if records.is_empty() { Err(error) } else { Ok((records, ttl)) }
    }

    async fn addresses_of_target(&self, name: &Name) -> Result<(Vec<Record>, Duration), DnsError> {
        // Some servers name an address here, which RFC 2782 does not allow and Kong takes.
        if let Ok(ip) = name.to_utf8().trim_end_matches('.').parse() {
            return Ok((vec![Record { ip, srv: None }], Duration::MAX));
        }
        let mut name = name.clone();
        name.set_fqdn(true);
        let both = self.order.contains(&Order::Aaaa);
        match self.addresses(&name, RecordType::A).await {
            Err(_) if both => self.addresses(&name, RecordType::AAAA).await,
            found => found,
        }
    }
}

fn name_server(ip: IpAddr, port: u16) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = port;
        connection
    };
    NameServerConfig::new(ip, true, vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())])
}

fn error_of(error: NetError) -> DnsError {
    let code = match &error {
        NetError::Dns(Refusal::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(Refusal::ResponseCode(code)) => *code,
        NetError::Timeout => return DnsError::Failed(Arc::from("failed to query DNS server: timeout")),
        other => return DnsError::Failed(Arc::from(format!("failed to query DNS server: {other}"))),
    };
    let text = match code {
        ResponseCode::NXDomain => return DnsError::NameError,
        ResponseCode::NoError => return DnsError::Empty,
        ResponseCode::FormErr => "1 format error",
        ResponseCode::ServFail => "2 server failure",
        ResponseCode::NotImp => "4 not implemented",
        ResponseCode::Refused => "5 refused",
        other => return DnsError::Failed(Arc::from(format!("dns server error: {} unknown", u16::from(other)))),
    };
    DnsError::Failed(Arc::from(format!("dns server error: {text}")))
}
