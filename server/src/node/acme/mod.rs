//! Certificates that the node orders itself: what the plugin `acme` configures, seen from handshakes, requests and the
//! Admin API.

mod api;
mod certifier;
mod database;
mod issuance;

pub use api::Acme;
pub use certifier::Certifier;
pub use issuance::Issuance;
