//! Metrics of requests: recorded by each worker for itself, added up when they are asked for.

mod exposition;
mod histogram;
mod models;
mod plugin;
mod series;

pub use exposition::{NodeFigures, Own, TargetState, exposition};
pub use plugin::Prometheus;
