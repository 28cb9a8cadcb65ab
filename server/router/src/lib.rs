//! Which Route a request matches, in each of Kong's three router flavours. Pure: no sockets, no clock,
//! no database.
//!
//! [`Router::build`] takes [`RouteDefinition`]s and [`Router::find`] a [`Request`]; [`path`] holds the rules
//! for paths before and after matching, [`expression`] the routing language, [`explain`] why a Route matches or not.

pub mod explain;
pub mod expression;
pub mod path;
pub mod priority;

mod compile;
mod fields;
mod index;
mod keys;
mod pattern;
mod request;
mod route;
mod router;
mod turn;

pub use pattern::Pattern;
pub use request::{Request, header_name_matches};
pub use route::{
    CidrPort, Flavor, NetProtocol, PathHandling, Protocol, RouteDefinition, Subsystem, UnknownName, split_host,
};
pub use router::{BuildError, Captures, Match, Router};
pub use turn::offer_turn;
