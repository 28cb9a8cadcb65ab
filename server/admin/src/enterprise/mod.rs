//! Workspaces, RBAC, admins, groups, the audit log and event hooks, on nodes with a database.
//!
//! [`Gate`] decides on every request before a handler is chosen; [`Pass`] is what it found, and the scope of a request holds
//! entities to it. The handlers here are found by their path, as everywhere: [`Desk`] names them.

mod admins;
mod audit;
mod backoff;
mod collisions;
mod consumer_groups;
mod credentials;
mod desk;
mod directory;
mod gate;
mod groups;
mod history;
mod hooks;
mod identify;
mod mails;
mod pass;
mod permissions;
mod recorder;
mod restore;
mod roles;
mod second_factor;
mod settings;
mod sight;
mod sign_in;
mod trace;
mod user_tokens;
mod users;
mod workspaces;

pub(crate) use desk::{Call, Desk, add_paths};
pub use directory::Directory;
pub use gate::{Gate, GateError};
pub use hooks::HealthEvent;
pub(crate) use pass::Pass;
pub use recorder::note_changes;
pub(crate) use recorder::who;
pub use settings::{Attempts, AuditSettings, Collisions, GateSettings};
pub(crate) use trace::Trace;

use crate::respond::Answer;
use crate::scope::now;
use crate::write::fault;
use crate::{errors, scope::Scope};
use declarative::Kinds;
use serde_json::Value;
use store::{Id, Record};
use uuid::Uuid;

/// A new record of a kind with these members, complete and valid.
fn made(kinds: &Kinds, entity: &'static str, ws: Option<Uuid>, value: Value) -> Result<Record, Answer> {
    let Value::Object(members) = value else { return Err(errors::unexpected()) };
    let value = kinds.definitions().process_insert(entity, members, now()).map_err(fault)?;
    let id = Id::of(&["id"], &value).ok_or_else(errors::unexpected)?;
    Ok(Record { entity, id, ws, value, expires: None })
}

impl Scope<'_> {
    /// A new record of a kind with these members, complete and valid.
    pub(crate) fn made(&self, entity: &'static str, ws: Option<Uuid>, value: Value) -> Result<Record, Answer> {
        made(&self.kinds, entity, ws, value)
    }
}
