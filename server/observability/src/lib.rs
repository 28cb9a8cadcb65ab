//! The bundled plugins by which operators see what happens: logs, metrics and traces of requests.
//!
//! Invariants: no socket, no database, no runtime. A log phase prepares an entry and leaves it in an outbox; what
//! happens to it later, and whoever it is for, never slows or fails a request.

mod endpoint;
mod log;
pub mod metrics;
mod queue;
mod statsd;
mod traces;

#[cfg(test)]
mod testing;

pub use log::{FileLog, HttpLog, Loggly, Syslog, TcpLog, UdpLog};
pub use metrics::Prometheus;
pub use statsd::{Datadog, Statsd};
pub use traces::{OpenTelemetry, Zipkin};

use exchange::{PluginType, Registry};

/// Adds every plugin of this crate.
pub fn registry(registry: &mut Registry) {
    registry.add(PluginType::of::<Datadog>());
    registry.add(PluginType::of::<FileLog>());
    registry.add(PluginType::of::<HttpLog>());
    registry.add(PluginType::of::<Loggly>());
    registry.add(PluginType::of::<OpenTelemetry>());
    registry.add(PluginType::of::<Prometheus>());
    registry.add(PluginType::of::<Statsd>());
    registry.add(PluginType::of::<Syslog>());
    registry.add(PluginType::of::<TcpLog>());
    registry.add(PluginType::of::<UdpLog>());
    registry.add(PluginType::of::<Zipkin>());
}
