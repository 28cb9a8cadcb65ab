//! The Admin API and the status API.
//!
//! Paths come from the definitions ([`Kinds`](declarative::Kinds)): there is no handler per entity. What a node does with a
//! configuration, and what it knows of itself, comes through the traits in [`AdminState`]'s [`Parts`].

mod body;
mod certificates;
mod config;
mod delta;
mod enterprise;
mod errors;
mod extension;
mod form;
mod handle;
mod live;
mod node;
mod nodes;
mod openapi;
mod paths;
mod plan;
mod query;
mod request;
mod resource;
mod respond;
mod route_match;
mod rules;
mod schemas;
mod scope;
mod secrets;
mod seen;
mod state;
mod telemetry;
mod upstreams;
mod write;

pub use enterprise::{
    Attempts, AuditSettings, Collisions, Directory, Gate, GateError, GateSettings, HealthEvent, note_changes,
};
pub use errors::{explained, explained_fault, unsupported};
pub use extension::{Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
pub use handle::{configure, configure_status};
pub use respond::HeaderPolicy;
pub use route_match::RouteQuestion;
pub use seen::Seen;
pub use state::{
    AdminState, Area, Counters, Eventually, HealthFault, HealthView, Limits, LoadError, NODE_BEAT, NODE_ENTITY,
    NodeFacts, NodeMemory, NodeView, Parts, Publisher, Readiness,
};
