//! Active health checks.

mod checker;
mod probe;
#[cfg(test)]
mod tests;

pub use checker::{HealthChecker, Panic, Stop};
