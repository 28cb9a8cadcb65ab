//! Distributed tracing as the settings say: who renders spans, and where they are sent.

use config::Instrumentation;
use exchange::TracingDefaults;
use exchange::trace::Tracer;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Counts, ExportSettings, Exporter, Kinds, NodeSpans, Rate, RequestTracer};
use uuid::Uuid;

/// How long the last spans may take when the node ends.
const LAST: Duration = Duration::from_secs(5);

/// Tracing that is on.
pub struct Tracing {
    exporter: Exporter,
    kinds: Kinds,
    rate: Rate,
}

impl Tracing {
    /// Starts the exporter; `None` where nothing is instrumented or there is nowhere to send spans to.
    pub fn start(settings: &config::Tracing, node_id: Uuid) -> Result<Option<Self>, String> {
        let Some(endpoint) = settings.endpoint.as_ref().filter(|_| !settings.instrumentations.is_empty()) else {
            return Ok(None);
        };
        let export = ExportSettings::new(endpoint)
            .environment(|name| std::env::var(name).ok())
            .map_err(|error| error.to_string())?
            .describe(env!("CARGO_PKG_VERSION"), &node_id.to_string());
        let exporter = Exporter::start(export).map_err(|error| format!("tracing cannot start: {error}"))?;
        let kinds = settings.instrumentations.iter().map(|kind| kind_of(*kind)).fold(Kinds::default(), Kinds::and);
        Ok(Some(Self { exporter, kinds, rate: Rate::new(settings.sampling_rate) }))
    }

    /// Spans of requests, for the proxy.
    pub fn requests(&self) -> Arc<dyn Tracer> {
        Arc::new(RequestTracer::new(self.kinds, self.rate, self.exporter.queue()))
    }

    /// Spans of everything else, for the subscriber.
    pub fn node_spans(&self) -> NodeSpans {
        NodeSpans::new(self.kinds, self.rate, self.exporter.queue())
    }

    /// Sends what is left, for at most five seconds. Blocks.
    pub fn stop(self) {
        let queue = self.exporter.queue();
        if !self.exporter.shutdown(LAST) {
            ::tracing::warn!("the last spans were not delivered");
        }
        let Counts { exported, dropped, failed, waiting } = queue.counts();
        if dropped + failed + waiting > 0 {
            ::tracing::warn!(exported, dropped, failed = failed + waiting, "spans were lost since the start");
        }
    }
}

/// What plugins that trace do by default.
pub fn defaults(settings: &config::Tracing) -> TracingDefaults {
    let instrumentations =
        settings.instrumentations.iter().map(|kind| kind_of(*kind)).fold(Kinds::default(), Kinds::and);
    TracingDefaults { instrumentations: instrumentations.names(), sampling_rate: settings.sampling_rate }
}

/// Where the node itself sends no spans but something is instrumented: notes what plugins make spans of.
pub fn detailed(settings: &config::Tracing) -> Option<Arc<dyn Tracer>> {
    let kinds = settings.instrumentations.iter().map(|kind| kind_of(*kind)).fold(Kinds::default(), Kinds::and);
    kinds.wants_detail().then(|| Arc::new(telemetry::Detailed) as Arc<dyn Tracer>)
}

fn kind_of(kind: Instrumentation) -> Kinds {
    match kind {
        Instrumentation::Request => Kinds::REQUEST,
        Instrumentation::DbQuery => Kinds::DB_QUERY,
        Instrumentation::Router => Kinds::ROUTER,
        Instrumentation::HttpClient => Kinds::HTTP_CLIENT,
        Instrumentation::Balancer => Kinds::BALANCER,
        Instrumentation::PluginRewrite => Kinds::PLUGIN_REWRITE,
        Instrumentation::PluginAccess => Kinds::PLUGIN_ACCESS,
        Instrumentation::PluginHeaderFilter => Kinds::PLUGIN_HEADER_FILTER,
        Instrumentation::DnsQuery => Kinds::DNS_QUERY,
    }
}
