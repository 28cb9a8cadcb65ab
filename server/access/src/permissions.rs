//! A set of permissions, compiled: those of all roles of a user, or the scope of a token.

use crate::action::{Action, Actions, Rule};
use crate::endpoints::{Endpoint, Endpoints};
use std::collections::HashMap;
use uuid::Uuid;

/// Permissions on endpoints and on entities.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// What may be done where.
    pub endpoints: Endpoints,
    entities: HashMap<Box<str>, Rule, foldhash::fast::RandomState>,
    // What negative permissions take away of any entity.
    denied: Actions,
}

impl Permissions {
    /// These permissions, with everything in the place of those that do not count.
    pub(crate) fn counting(&self, endpoints: bool, entities: bool) -> Permissions {
        let mut counting = self.clone();
        if !endpoints {
            counting.endpoints = Endpoints::default();
            counting.endpoints.add(None, &Endpoint::All, Rule::of(Actions::ALL, false));
        }
        if !entities {
            counting.entities.clear();
            counting.denied = Actions::default();
            counting.add_entity("*", Rule::of(Actions::ALL, false));
        }
        counting
    }

    /// Adds a permission on an entity, by its id, its workspace's id, or `*` for all.
    pub fn add_entity(&mut self, entity: &str, rule: Rule) {
        self.denied = self.denied.with(rule.deny);
        let known = self.entities.entry(entity.into()).or_default();
        *known = known.with(rule);
    }

    /// Whether `action` may be done with an entity: by a permission on its id, or on its workspace, or on all. A negative one
    /// beats positive ones of its rank and below.
    pub fn with(&self, entity: &str, workspace: Option<Uuid>, action: Action) -> bool {
        let mut buffer = Uuid::encode_buffer();
        let workspace = workspace.map(|id| &*id.hyphenated().encode_lower(&mut buffer));
        for rank in [Some(entity), workspace, Some("*")].into_iter().flatten() {
            let Some(rule) = self.entities.get(rank) else { continue };
            if rule.deny.contains(action) {
                return false;
            }
            if rule.allow.contains(action) {
                return true;
            }
        }
        false
    }

    /// Whether `action` may be done with every entity of a workspace, or of none.
    pub fn with_all(&self, workspace: Option<Uuid>, action: Action) -> bool {
        !self.denied.contains(action) && self.with("", workspace, action)
    }
}
