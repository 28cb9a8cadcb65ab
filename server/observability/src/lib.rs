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

use exchange::{PluginType, Registry, Scripts};
use std::sync::Arc;

/// Adds every plugin of this crate; `scripts` make the custom fields of loggers.
pub fn registry(registry: &mut Registry, scripts: &Arc<dyn Scripts>) {
    registry.add(PluginType::of::<Datadog>());
    registry.add(log::logger::<FileLog>(scripts));
    registry.add(log::logger::<HttpLog>(scripts));
    registry.add(log::logger::<Loggly>(scripts));
    registry.add(PluginType::of::<OpenTelemetry>());
    registry.add(PluginType::of::<Prometheus>());
    registry.add(PluginType::of::<Statsd>());
    registry.add(log::logger::<Syslog>(scripts));
    registry.add(log::logger::<TcpLog>(scripts));
    registry.add(log::logger::<UdpLog>(scripts));
    registry.add(PluginType::of::<Zipkin>());
}
