//! Where the Targets of Upstreams are, and how they are: what the node knows of them from one Snapshot to the next.

mod listener;
mod peers;
mod refresh;
mod setup;
mod table;
#[cfg(test)]
mod tests;

pub use listener::{HealthChange, HealthListener};
pub use peers::Peers;
pub use setup::Setup;
pub use table::{SetHealthError, Targets};
