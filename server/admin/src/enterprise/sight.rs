//! What one request may know of and do with an entity that it does not name by a path: one of the past, one that would be.

use super::pass::Pass;
use crate::delta::{Delta, is_configuration};
use crate::respond::Answer;
use crate::scope::Scope;
use access::Action;
use declarative::Kinds;
use entities::DEFAULT_WORKSPACE;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::Record;
use uuid::Uuid;

/// Where an entity would be found.
struct Address {
    /// The workspace whose permissions count; none for what only those for all workspaces speak of.
    place: Option<Uuid>,
    /// The segments of its path; those before the last are the path of its list.
    path: Vec<String>,
    /// Another name for the last segment.
    name: Option<String>,
    /// Whether permissions for endpoints count even where they count for nothing else.
    management: bool,
}

/// Decides on entities as the gate decides on their own paths.
#[derive(Clone)]
pub(crate) struct Sight {
    kinds: Arc<Kinds>,
    pass: Pass,
}

impl Sight {
    /// Whether `action` could be done with an entity by a request to its own path. What is made is also read.
    pub(crate) fn may(&self, record: &Record, action: Action) -> bool {
        let Some(address) = self.address(record) else { return false };
        let Some(subject) = self.pass.subject.as_deref() else { return true };
        let read = action != Action::Create || self.pass.may(record, Action::Read);
        if !read || !self.pass.may(record, action) {
            return false;
        }
        if !self.pass.endpoints && !address.management {
            return true;
        }
        let bytes = |path: &[String]| path.iter().map(|segment| segment.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut path = bytes(&address.path);
        if action == Action::Create {
            path.pop();
            return subject.at(address.place, &path, action).is_allowed();
        }
        if !subject.at(address.place, &path, action).is_allowed() {
            return false;
        }
        let Some(name) = address.name else { return true };
        path.pop();
        path.push(name.into_bytes());
        !subject.forbids_words(address.place, &path, &[path.len() - 1], action)
    }

    /// Whether an entity may be read in both of its states.
    pub(crate) fn sees(&self, delta: &Delta) -> bool {
        [&delta.before, &delta.after].into_iter().flatten().all(|record| self.may(record, Action::Read))
    }

    /// The refusal of a plan for one of these workspaces, where the one who asks may not ask about it. The path's own was
    /// decided on by the gate.
    pub(crate) fn refused(&self, end: &str, workspaces: &BTreeSet<Uuid>, here: Uuid) -> Option<Answer> {
        let subject = self.pass.subject.as_deref()?;
        let path = [b"config".to_vec(), end.as_bytes().to_vec()];
        let known = self.pass.policy.as_ref().map(|policy| policy.view());
        let denied = workspaces.iter().filter(|ws| **ws != here).any(|ws| {
            // Only permissions for every workspace speak of one that is not there yet.
            let there = known.is_some_and(|view| view.get("workspaces", &(*ws).into()).is_some());
            !subject.at(there.then_some(*ws), &path, Action::Create).is_allowed()
        });
        denied.then(|| super::gate::forbidden(subject, Action::Create))
    }

    /// None for what is no configuration and nobody's work: sessions, counters, entries of logs.
    fn address(&self, record: &Record) -> Option<Address> {
        let id = record.id.to_string();
        let of = |field: &str| record.reference(field).map(|id| id.to_string());
        let managed = |place: Option<Uuid>, path: &[&str]| {
            let path = path.iter().map(|segment| (*segment).to_owned()).collect();
            Some(Address { place, path, name: record.text("name").map(str::to_owned), management: true })
        };
        match record.entity {
            "workspaces" => return managed(None, &["workspaces", &id]),
            "event_hooks" => return managed(None, &["event-hooks", &id]),
            "admins" => return managed(None, &["admins", &id]),
            "rbac_users" if record.value.get("is_admin") == Some(&Value::Bool(true)) => {
                return managed(None, &["admins", &id]);
            }
            "rbac_users" => return managed(record.ws, &["rbac", "users", &id]),
            "rbac_roles" => return managed(record.ws, &["rbac", "roles", &id]),
            "rbac_role_endpoints" => return managed(None, &["rbac", "roles", &of("role")?, "endpoints", &id]),
            "rbac_role_entities" => return managed(None, &["rbac", "roles", &of("role")?, "entities", &id]),
            "rbac_user_roles" => return managed(None, &["rbac", "users", &of("user")?, "roles", &id]),
            "rbac_user_tokens" => return managed(None, &["rbac", "users", &of("user")?, "tokens", &id]),
            "rbac_user_groups" => return managed(None, &["rbac", "users", &of("user")?, "groups", &id]),
            "groups" => return managed(Some(DEFAULT_WORKSPACE), &["groups", &id]),
            "group_rbac_roles" => return managed(Some(DEFAULT_WORKSPACE), &["groups", &of("group")?, "roles", &id]),
            _ => {}
        }
        let kind = self.kinds.get(self.kinds.position(record.entity)?);
        if !is_configuration(kind) {
            return None;
        }
        let path = match record.entity {
            "targets" => vec!["upstreams".to_owned(), of("upstream")?, "targets".to_owned(), id],
            "consumer_group_consumers" => {
                vec!["consumer_groups".to_owned(), of("consumer_group")?, "consumers".to_owned(), of("consumer")?]
            }
            _ => vec![kind.path.unwrap_or(kind.name).to_owned(), id],
        };
        let name = kind.endpoint.and_then(|field| record.text(field)).map(str::to_owned);
        Some(Address { place: record.ws.or(Some(DEFAULT_WORKSPACE)), path, name, management: false })
    }
}

impl Scope<'_> {
    /// What the request may know of entities that it does not name.
    pub(crate) fn sight(&self) -> Sight {
        Sight { kinds: self.kinds.clone(), pass: self.pass.clone() }
    }
}
