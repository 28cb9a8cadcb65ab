//! Which Target a request goes to, and which Targets are healthy.
//!
//! Invariant: this crate knows no sockets (only `SocketAddr` values), no clock (milliseconds of the caller's monotonic
//! clock are passed in) and no runtime. A [`Balancer`] is immutable but for atomics: workers share it through an `Arc`
//! and pick without a lock.
//!
//! * [`Spec`] says what an Upstream and its resolved Targets are; [`Balancer::build`] makes the balancer, and keeps
//!   health and latency of the addresses that stay.
//! * One file per algorithm: `round_robin`, `consistent_hashing`, `least_connections`, `latency`.
//! * [`hash`] chooses and hashes the input of consistent hashing.
//! * [`health`] is the state machine, its configuration and the views of the Admin API.
//! * [`breaker`] limits what an address and an Upstream are asked to bear: [`Balancer::enter`].
//! * [`schedule`] calculates when to probe.

mod address;
mod balancer;
pub mod breaker;
mod candidates;
mod consistent_hashing;
pub mod hash;
pub mod health;
mod latency;
mod least_connections;
mod random;
mod round_robin;
pub mod schedule;
mod target;
mod tried;

pub use address::{Active, Address, AddressId};
pub use balancer::{Algorithm, Balancer, NoPeer, OverrideError, Spec, UnknownAlgorithm};
pub use health::{HealthConfig, Outcome, State, Transition};
pub use schedule::Schedule;
pub use target::{Record, RecordKind, Resolution, Srv, Target};
pub use tried::Tried;
