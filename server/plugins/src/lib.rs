//! The bundled plugins, one file or folder each, and the [`registry`] of them.
//!
//! Invariants: no socket, no database, no runtime. What a plugin remembers of a request it keeps in the Exchange;
//! what outlives a configuration belongs to the [`exchange::Services`].

pub mod auth;
pub mod basic_auth;
pub mod correlation_id;
pub mod key_auth;
pub mod number;
pub mod rate_limiting;
pub mod redis;
pub mod request_termination;
pub mod response_transformer;

#[cfg(test)]
mod testing;

pub use basic_auth::BasicAuth;
pub use correlation_id::CorrelationId;
pub use key_auth::KeyAuth;
pub use rate_limiting::RateLimiting;
pub use request_termination::RequestTermination;
pub use response_transformer::ResponseTransformer;

pub use exchange::form;
use exchange::{PluginType, Registry};

/// Every bundled plugin.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(PluginType::of::<BasicAuth>());
    registry.add(PluginType::of::<CorrelationId>());
    registry.add(PluginType::of::<KeyAuth>());
    registry.add(PluginType::of::<RateLimiting>());
    registry.add(PluginType::of::<RequestTermination>());
    registry.add(PluginType::of::<ResponseTransformer>());
    registry
}
