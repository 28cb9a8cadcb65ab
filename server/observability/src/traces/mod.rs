//! Distributed traces: who the caller says it is, what the upstream is told, and spans for collectors.

mod formats;
#[cfg(test)]
mod formats_tests;
mod hex;
mod opentelemetry;
mod propagation;
mod zipkin;
mod zipkin_spans;

pub use opentelemetry::OpenTelemetry;
pub use zipkin::Zipkin;
