//! Routes: which requests go to which Service. The fields depend on the router's flavour.

mod check;
mod paths;

use crate::{Entity, Service};
use indexmap::IndexMap;
use router::{CidrPort, Flavor, PathHandling, RouteDefinition};
use schema::{Check, Field, Foreign, Named, Record, Schema, Set, Value, typedefs};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Rules by which requests are matched.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    check = Check::conditional(
        "protocols",
        |f| f.elements(|_| Field::string("").not_one_of(["grpcs", "https", "tls", "tls_passthrough"])),
        "snis",
        |f| f.len_eq(0))
        .then_err("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"),
    check = Check::custom(["path_handling"], |_| Ok(())),
)]
pub struct Route {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// Unique name.
    #[field(unique, is = utf8_name)]
    pub name: Option<String>,
    /// Protocols this Route allows; the first decides which other fields may be set.
    #[field(
        default(["http", "https"]),
        len_min(1),
        elements(is = protocol),
        mutually_exclusive_subsets(["http", "https"], ["tcp", "tls", "udp"], ["tls_passthrough"], ["grpc", "grpcs"])
    )]
    pub protocols: Set<String>,
    /// Status for requests that match but for their protocol.
    #[field(default = 426, one_of(426, 301, 302, 307, 308))]
    pub https_redirect_status_code: u16,
    /// Whether the matching prefix is taken off the path.
    #[field(default = true)]
    pub strip_path: bool,
    /// Whether the request's Host goes to the upstream.
    #[field(default = false)]
    pub preserve_host: bool,
    /// Whether request bodies are buffered.
    #[field(default = true)]
    pub request_buffering: bool,
    /// Whether response bodies are buffered.
    #[field(default = true)]
    pub response_buffering: bool,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// The Service requests go to.
    pub service: Option<Foreign<Service>>,
    /// TLS server names.
    #[field(elements(is = wildcard_host))]
    pub snis: Option<Set<String>>,
    /// Where connections come from.
    pub sources: Option<Set<RoutePeer>>,
    /// Where connections go to.
    pub destinations: Option<Set<RoutePeer>>,
    /// HTTP methods.
    #[field(elements(match = "^%u+$"))]
    pub methods: Option<Set<String>>,
    /// Host names, with a wildcard label at most.
    #[field(elements(is = host_with_wildcard))]
    pub hosts: Option<Vec<String>>,
    /// Path prefixes, or regular expressions behind a `~`.
    #[field(elements(is = paths::path))]
    pub paths: Option<Vec<String>>,
    /// Header names with the values they must have.
    #[field(keys(
        match_none("^[Hh][Oo][Ss][Tt]$", "cannot contain 'host' header, which must be specified in the 'hosts' attribute"),
        is = header_name
    ))]
    pub headers: Option<IndexMap<String, Vec<String>>>,
    /// Order of regular-expression Routes that match the same request; higher first.
    #[field(default = 0)]
    pub regex_priority: Option<i64>,
    /// How the Service's path and the request's path are joined.
    #[field(default = "v0", one_of("v0", "v1"))]
    pub path_handling: Option<String>,
    /// An expression of the router's language, in its flavour `expressions`.
    #[serde(default)]
    pub expression: Option<String>,
    /// Order of Routes with expressions; higher first.
    #[field(default = 0, between(0, 70_368_744_177_663.0))]
    #[serde(default)]
    pub priority: u64,
}

/// One end of a connection.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(check = Check::at_least_one_of(["ip", "port"]))]
pub struct RoutePeer {
    /// IP address or CIDR range.
    #[field(is = ip_or_cidr)]
    pub ip: Option<String>,
    /// Port.
    #[field(is = port)]
    pub port: Option<u16>,
}

impl Named for Route {
    const NAME: &'static str = "routes";
}

impl Route {
    /// What the router needs of it.
    pub fn definition(&self) -> RouteDefinition {
        let peers = |peers: &Option<Set<RoutePeer>>| {
            peers.iter().flatten().map(|peer| CidrPort { ip: peer.ip.clone(), port: peer.port }).collect()
        };
        RouteDefinition {
            id: self.id,
            created_at: self.created_at,
            protocols: self.protocols.iter().filter_map(|protocol| protocol.parse().ok()).collect(),
            methods: self.methods.iter().flatten().cloned().collect(),
            hosts: self.hosts.clone().unwrap_or_default(),
            paths: self.paths.clone().unwrap_or_default(),
            headers: self.headers.iter().flatten().map(|(name, values)| (name.clone(), values.clone())).collect(),
            snis: self.snis.iter().flatten().cloned().collect(),
            sources: peers(&self.sources),
            destinations: peers(&self.destinations),
            regex_priority: self.regex_priority.unwrap_or(0),
            expression: self.expression.clone(),
            priority: self.priority,
            strip_path: self.strip_path,
            path_handling: self.path_handling(),
        }
    }

    /// `path_handling`, as configured.
    pub fn path_handling(&self) -> PathHandling {
        if self.path_handling.as_deref() == Some("v1") { PathHandling::V1 } else { PathHandling::V0 }
    }
}

pub(crate) fn entity(flavor: Flavor) -> Entity {
    let mut record = Route::record();
    if flavor == Flavor::Traditional {
        record = record.change("snis", |field| field.elements(|_| typedefs::sni(Field::string(""))));
    } else {
        record = record.check(check::expression());
    }
    if flavor != Flavor::Expressions {
        record = record.without("expression").without("priority");
    }
    Entity {
        endpoint_key: Some("name"),
        workspaceable: true,
        subschema_key: Some("protocols"),
        ..Entity::new("routes", record.sealed())
    }
}

/// The record for each first protocol.
pub(crate) fn subschemas(base: &Record, flavor: Flavor) -> IndexMap<&'static str, Arc<Record>> {
    let expressions = flavor == Flavor::Expressions;
    let fields = |names: &[&'static str]| -> Vec<&'static str> {
        names.iter().copied().chain(expressions.then_some("expression")).collect()
    };
    let refuse = |record: Record, name: &str, protocols: &str| {
        let err = format!("cannot set '{name}' when 'protocols' is {protocols}");
        record.change(name, |field| field.eq(Value::Null).err(err))
    };
    let one_of = |protocols: &[&'static str]| {
        let protocols = protocols.to_vec();
        move |f: Field| f.elements(|_| Field::string("").one_of(protocols))
    };

    let mut http = base.clone();
    let mut grpc = base.clone().change("strip_path", |field| {
        field.default(false).ne(true).err("cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'")
    });
    grpc = refuse(grpc, "methods", "'grpc' or 'grpcs'");
    if !expressions {
        for name in ["sources", "destinations"] {
            http = refuse(http, name, "'http' or 'https'");
            grpc = refuse(grpc, name, "'grpc' or 'grpcs'");
        }
    }
    let http = http.check(
        Check::conditional_at_least_one_of(
            "protocols",
            |f| f.contains("https"),
            fields(&["methods", "hosts", "headers", "paths", "snis"]),
        )
        .then_err("must set one of %s when 'protocols' is 'https'")
        .otherwise(
            |f| f.contains("http"),
            fields(&["methods", "hosts", "headers", "paths"]),
            "must set one of %s when 'protocols' is 'http'",
        ),
    );
    let grpc = grpc.check(
        Check::conditional_at_least_one_of(
            "protocols",
            |f| f.contains("grpcs"),
            fields(&["hosts", "headers", "paths", "snis"]),
        )
        .then_err("must set one of %s when 'protocols' is 'grpcs'")
        .otherwise(
            |f| f.contains("grpc"),
            fields(&["hosts", "headers", "paths"]),
            "must set one of %s when 'protocols' is 'grpc'",
        ),
    );
    let mut tcp = base.clone();
    for name in ["methods", "hosts", "paths", "headers"] {
        tcp = refuse(tcp, name, "'tcp', 'tls', 'tls_passthrough' or 'udp'");
    }
    let tcp = tcp
        .check(
            Check::conditional_at_least_one_of(
                "protocols",
                one_of(&["tcp", "tls", "udp"]),
                fields(&["sources", "destinations", "snis"]),
            )
            .then_err("must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'"),
        )
        .check(
            Check::conditional_at_least_one_of("protocols", one_of(&["tls_passthrough"]), fields(&["snis"]))
                .then_err("must set snis when 'protocols' is 'tls_passthrough'"),
        );
    let [http, grpc, tcp] = [http, grpc, tcp].map(|record| Arc::new(record.sealed()));
    IndexMap::from([
        ("http", http.clone()),
        ("https", http),
        ("grpc", grpc.clone()),
        ("grpcs", grpc),
        ("tcp", tcp.clone()),
        ("tls", tcp.clone()),
        ("tls_passthrough", tcp.clone()),
        ("udp", tcp),
    ])
}
