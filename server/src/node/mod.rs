//! A running node: what it is made of, and who owns what.

mod acme;
mod admin;
mod affinity;
mod api_log;
mod api_server;
mod aside;
mod builds;
mod cluster_events;
mod core;
mod database;
mod desks;
mod figures;
mod gate;
mod health_checkers;
mod history;
mod log_level;
mod logs;
mod lua;
mod lua_api;
mod lua_database;
mod mails;
mod masks;
mod memory;
mod meters;
mod metrics;
mod notices;
mod presence;
mod priority;
mod programs;
mod proxy_cache;
mod quota;
mod rate_limiter;
mod redis;
mod request_debug;
mod route_match;
mod route_table;
mod running;
mod shipper;
mod stapler;
mod told;
mod tracing;
mod translate;
mod vault;

pub(crate) use self::core::now;
pub use self::core::{Core, LoadError, Offer, Storage};
pub use acme::Certifier;
pub use database::{Database, Patience, blueprint, migrations};
pub(crate) use gate::{audit, exclusion};
pub use health_checkers::HealthCheckers;
pub use rate_limiter::RateLimiter;
pub use route_table::{Replace, RouteTable};
pub use running::{Actors, Node, StartError};
pub use shipper::{Outbound, Shipper};
pub use stapler::Stapler;

use actix::Message;

/// Has an actor panic: for the tests of supervision.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Panic;
