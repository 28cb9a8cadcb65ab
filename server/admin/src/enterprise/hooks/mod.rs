//! Event hooks: what they are, what they hear of, and telling them.
//!
//! Whoever has something to tell never waits: each hook has a queue in bounded memory, which the node's `Shipper` tends
//! with its tries and pauses.

mod desk;
mod happenings;
mod message;
mod news;
mod sources;
mod telling;
mod template;

pub(super) use happenings::Ear;
pub use happenings::HealthEvent;
pub(crate) use telling::Hooks;
