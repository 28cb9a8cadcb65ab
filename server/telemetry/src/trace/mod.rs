//! Spans: of requests, rendered from an Exchange's timeline once it is over, and of the node, from `tracing`.

mod node;
mod render;
mod request;
mod sampling;
mod span;
pub mod w3c;

pub use node::{NodeSpans, admin_request, nanos};
pub use render::render;
pub use request::{Detailed, RequestTracer};
pub use sampling::Rate;
pub use span::{Attributes, Event, Kind, Span, Status, Value};

/// Kinds of spans that are made (`tracing_instrumentations`). The request's own span is made whatever the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Kinds(u16);

impl Kinds {
    /// The request.
    pub const REQUEST: Self = Self(1);
    /// Queries of the database.
    pub const DB_QUERY: Self = Self(1 << 1);
    /// Routing.
    pub const ROUTER: Self = Self(1 << 2);
    /// Calls made by plugins.
    pub const HTTP_CLIENT: Self = Self(1 << 3);
    /// Tries of the balancer, and what each consists of.
    pub const BALANCER: Self = Self(1 << 4);
    /// Plugins, phase rewrite.
    pub const PLUGIN_REWRITE: Self = Self(1 << 5);
    /// Plugins, phase access.
    pub const PLUGIN_ACCESS: Self = Self(1 << 6);
    /// Plugins, phase header_filter.
    pub const PLUGIN_HEADER_FILTER: Self = Self(1 << 7);
    /// Look-ups of names.
    pub const DNS_QUERY: Self = Self(1 << 8);
    /// All of them.
    pub const ALL: Self = Self((1 << 9) - 1);

    /// What has to be noted call by call while the request runs.
    const DETAIL: Self = Self(
        Self::PLUGIN_REWRITE.0
            | Self::PLUGIN_ACCESS.0
            | Self::PLUGIN_HEADER_FILTER.0
            | Self::DNS_QUERY.0
            | Self::HTTP_CLIENT.0,
    );

    /// Each kind by its name in `tracing_instrumentations`.
    const NAMED: [(&str, Self); 9] = [
        ("request", Self::REQUEST),
        ("db_query", Self::DB_QUERY),
        ("router", Self::ROUTER),
        ("http_client", Self::HTTP_CLIENT),
        ("balancer", Self::BALANCER),
        ("plugin_rewrite", Self::PLUGIN_REWRITE),
        ("plugin_access", Self::PLUGIN_ACCESS),
        ("plugin_header_filter", Self::PLUGIN_HEADER_FILTER),
        ("dns_query", Self::DNS_QUERY),
    ];

    /// The names of those that are here.
    pub fn names(self) -> Vec<&'static str> {
        Self::NAMED.iter().filter(|(_, kind)| self.any(*kind)).map(|(name, _)| *name).collect()
    }

    /// Those of some names.
    pub fn of(names: &[&str]) -> Self {
        let named = Self::NAMED.iter().filter(|(name, _)| names.contains(name));
        named.fold(Self::default(), |kinds, (_, kind)| kinds.and(*kind))
    }

    /// Whether something has to be noted call by call while the request runs.
    pub const fn wants_detail(self) -> bool {
        self.any(Self::DETAIL)
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether anything of `other` is here.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
