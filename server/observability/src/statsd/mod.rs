//! Metrics of single requests as lines of StatsD: `statsd` and `datadog`.

mod datadog;
mod line;
mod names;
mod plugin;

pub use datadog::Datadog;
pub use plugin::Statsd;
