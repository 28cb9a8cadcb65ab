//! Who may do what at the Admin API, and how it is known who it is: RBAC decisions, tokens, passwords, sessions, the audit log.
//!
//! Nothing here knows a socket. [`Policies`] keeps what the store says of users and roles; [`Subject`] decides.

mod action;
mod audit;
mod complexity;
mod endpoints;
mod path;
mod permissions;
mod policy;
mod roles;
mod second_factor;
mod secret;
mod seeds;
mod session;
mod subject;
mod tokens;

pub use action::{Action, Actions, Rule};
pub use audit::{Exclusion, SigningKey, SigningKeyError, newest_first, signed_text};
pub use complexity::{Complexity, ComplexityError};
pub use endpoints::{Endpoint, Endpoints, Verdict};
pub use path::segments;
pub use permissions::Permissions;
pub use policy::{Bearer, KINDS, Policies, Policy};
pub use roles::{DEFAULT_ROLES, DefaultRole};
pub use second_factor::{SecondFactor, authenticator_url};
pub use secret::{digest, hash, random, same, verify};
pub use seeds::{Seeds, seeds};
pub use session::{Cookie, SameSite, SessionSettings};
pub use subject::{Admin, Subject};
pub use tokens::{Tokens, ident};
