//! Someone who is known, with all permissions.

use crate::action::{Action, Actions, Rule};
use crate::endpoints::{Endpoint, Endpoints, Verdict};
use std::collections::{HashMap, HashSet};
use store::{Id, Record, View};
use uuid::Uuid;

/// The admin behind a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub username: String,
}

/// A user of the Admin API with the permissions of all its roles, its groups' too.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Id of the RBAC user.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The admin behind it, when there is one.
    pub admin: Option<Admin>,
    /// The role that holds its rights on what it makes.
    pub own_role: Option<Id>,
    /// Its roles.
    pub roles: Vec<Id>,
    /// What it may do where.
    pub endpoints: Endpoints,
    entities: HashMap<Box<str>, Rule, foldhash::fast::RandomState>,
    // What negative permissions take away of any entity.
    denied: Actions,
}

fn actions(record: &Record) -> Actions {
    record.value.get("actions").and_then(|value| Actions::read(value).ok()).unwrap_or_default()
}

fn rule(record: &Record) -> Rule {
    let negative = record.value.get("negative").and_then(serde_json::Value::as_bool).unwrap_or(false);
    Rule::of(actions(record), negative)
}

/// The workspaces a permission may name.
pub(crate) type Names<'v> = HashMap<&'v str, Uuid, foldhash::fast::RandomState>;

impl Subject {
    /// The user with this record. Permissions for workspaces that are gone count for nothing.
    pub fn of(user: &Record, view: &View) -> Option<Subject> {
        let id = user.id.uuid()?;
        let admin = view
            .children("admins", "rbac_user", &user.id)
            .next()
            .and_then(|admin| Some(Admin { id: admin.id.uuid()?, username: admin.text("username")?.to_owned() }));
        let mut roles: Vec<Id> = Vec::new();
        let mut seen: HashSet<Id> = HashSet::new();
        let mut take = |role: Option<Id>| roles.extend(role.filter(|role| seen.insert(role.clone())));
        for has in view.children("rbac_user_roles", "user", &user.id) {
            take(has.reference("role"));
        }
        for place in view.children("rbac_user_groups", "user", &user.id) {
            let Some(group) = place.reference("group") else { continue };
            for has in view.children("group_rbac_roles", "group", &group) {
                take(has.reference("rbac_role"));
            }
        }
        let own_role = roles.iter().find(|role| {
            view.get("rbac_roles", role)
                .is_some_and(|role| role.value.get("is_default") == Some(&serde_json::Value::Bool(true)))
        });
        let mut subject = Subject {
            id,
            name: user.text("name").unwrap_or_default().to_owned(),
            admin,
            own_role: own_role.cloned(),
            roles: Vec::new(),
            endpoints: Endpoints::default(),
            entities: HashMap::default(),
            denied: Actions::default(),
        };
        let names: Names =
            view.all("workspaces").filter_map(|found| Some((found.text("name")?, found.id.uuid()?))).collect();
        for role in &roles {
            subject.add(role, view, &names);
        }
        subject.roles = roles;
        Some(subject)
    }

    fn add(&mut self, role: &Id, view: &View, names: &Names) {
        for permission in view.children("rbac_role_endpoints", "role", role) {
            let (Some(workspace), Some(endpoint)) = (permission.text("workspace"), permission.text("endpoint")) else {
                continue;
            };
            let workspace = match workspace {
                "*" => None,
                name => match names.get(name) {
                    Some(id) => Some(*id),
                    None => continue,
                },
            };
            self.endpoints.add(workspace, &Endpoint::parse(endpoint), rule(permission));
        }
        for permission in view.children("rbac_role_entities", "role", role) {
            let Some(entity) = permission.text("entity_id") else { continue };
            let rule = rule(permission);
            self.denied = self.denied.with(rule.deny);
            let known = self.entities.entry(entity.into()).or_default();
            *known = known.with(rule);
        }
    }

    /// Whether it may do `action` at an endpoint; see [`Endpoints::decide`].
    pub fn at(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> Verdict {
        self.endpoints.decide(workspace, segments, action)
    }

    /// Whether it may do `action` with an entity: by a permission on its id, or on its workspace, or on all. A negative one
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

    /// Whether it may do `action` with every entity of a workspace, or of none.
    pub fn with_all(&self, workspace: Option<Uuid>, action: Action) -> bool {
        !self.denied.contains(action) && self.with("", workspace, action)
    }

    /// Whether a permission on its id speaks of an entity.
    pub fn names(&self, entity: &str) -> bool {
        self.entities.contains_key(entity)
    }
}
