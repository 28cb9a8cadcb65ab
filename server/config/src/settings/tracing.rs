//! Tracing.

use super::Surroundings;
use crate::checker::Checker;
use crate::secret::Secret;

/// Kinds of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instrumentation {
    /// The request.
    Request,
    /// Queries of the database.
    DbQuery,
    /// Routing.
    Router,
    /// Calls made by plugins.
    HttpClient,
    /// Tries of the balancer.
    Balancer,
    /// Plugins, phase rewrite.
    PluginRewrite,
    /// Plugins, phase access.
    PluginAccess,
    /// Plugins, phase header_filter.
    PluginHeaderFilter,
    /// Look-ups of names.
    DnsQuery,
}

const KINDS: &[(&str, Option<Instrumentation>)] = &[
    ("off", None),
    ("all", None),
    ("request", Some(Instrumentation::Request)),
    ("db_query", Some(Instrumentation::DbQuery)),
    ("router", Some(Instrumentation::Router)),
    ("http_client", Some(Instrumentation::HttpClient)),
    ("balancer", Some(Instrumentation::Balancer)),
    ("plugin_rewrite", Some(Instrumentation::PluginRewrite)),
    ("plugin_access", Some(Instrumentation::PluginAccess)),
    ("plugin_header_filter", Some(Instrumentation::PluginHeaderFilter)),
    ("dns_query", Some(Instrumentation::DnsQuery)),
];

/// Tracing.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// Kinds of spans that are made; empty is off.
    pub instrumentations: Vec<Instrumentation>,
    /// Share of requests that are traced, 0 to 1.
    pub sampling_rate: f64,
    /// URL that spans are posted to, `/v1/traces` included.
    pub endpoint: Option<String>,
    /// `request_debug`: timings on demand.
    pub request_debug: bool,
    /// Token with which others than this host may ask for them.
    pub request_debug_token: Option<Secret>,
}

impl Tracing {
    pub(super) fn read(c: &mut Checker<'_>, around: &Surroundings<'_>) -> Self {
        let name = "tracing_instrumentations";
        let kinds = c.words(name, KINDS);
        let listed = c.list(name);
        let special = |word: &str| listed.iter().any(|w| w.eq_ignore_ascii_case(word));
        if listed.len() > 1 && (special("off") || special("all")) {
            c.wrong(
                name,
                format!("{name}: off and all stand alone, got '{}'", listed.join(",")),
                "off, all, or a list",
            );
        }
        let instrumentations = match (special("off"), special("all")) {
            (true, _) => Vec::new(),
            (_, true) => KINDS.iter().filter_map(|(_, kind)| *kind).collect(),
            _ => kinds.into_iter().flatten().collect(),
        };
        Self {
            instrumentations,
            sampling_rate: sampling_rate(c, "tracing_sampling_rate"),
            endpoint: endpoint(c, around),
            request_debug: c.flag("request_debug"),
            request_debug_token: c.secret("request_debug_token"),
        }
    }

    /// Whether spans of that kind are made.
    pub fn makes(&self, kind: Instrumentation) -> bool {
        self.instrumentations.contains(&kind)
    }
}

/// A share of requests, 0 to 1.
pub(super) fn sampling_rate(c: &mut Checker<'_>, name: &str) -> f64 {
    let rate = c.number(name).unwrap_or_default();
    if !(0.0..=1.0).contains(&rate) {
        c.wrong(name, format!("{name} must be between 0 and 1"), "0.01 is one request in a hundred");
    }
    rate.clamp(0.0, 1.0)
}

/// `tracing_endpoint`, else OpenTelemetry's own variables. A URL without a path is a base to which `/v1/traces` is
/// added, as the OTLP specification does with the general variable.
fn endpoint(c: &mut Checker<'_>, around: &Surroundings<'_>) -> Option<String> {
    if let Some(url) = c.text("tracing_endpoint") {
        let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
            let message = format!("tracing_endpoint is not a valid URL: '{url}'");
            c.wrong("tracing_endpoint", message, "such as http://127.0.0.1:4318");
            return None;
        };
        let bare = rest.trim_end_matches('/').find('/').is_none();
        return Some(if bare { with_path(url) } else { url.to_owned() });
    }
    let given = |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    given(around.otlp_traces).or_else(|| given(around.otlp).map(|base| with_path(&base)))
}

fn with_path(base: &str) -> String {
    format!("{}/v1/traces", base.trim_end_matches('/'))
}
