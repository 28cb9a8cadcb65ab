//! Names to addresses: hosts file, DNS servers, a cache that requests read without waiting.

mod answer;
mod cache;
mod hosts;
mod query;
mod resolver;
mod settings;
#[cfg(test)]
pub(crate) mod testing;

pub use answer::{Answer, DnsError, Found};
pub use resolver::{Resolve, Resolver, Waiting};
pub use settings::{DnsSettings, Order, UnknownOrder};
