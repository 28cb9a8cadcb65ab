//! Someone who is known, with all permissions.

use crate::action::{Action, Actions, Rule};
use crate::endpoints::{Endpoint, Verdict};
use crate::permissions::Permissions;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
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

/// A user of the Admin API with the permissions of all its roles, its groups' too; or a token of that user, with what is left
/// of them in the token's scope.
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
    /// Its roles. With a scope none: they are more than the subject has.
    pub roles: Vec<Id>,
    /// Whether it came with one of the tokens that the user keeps beside its own.
    pub by_token: bool,
    permissions: Arc<Permissions>,
    scope: Option<Arc<Permissions>>,
}

/// What a permission says, by its members.
fn rule<'v>(member: impl Fn(&str) -> Option<&'v Value>) -> Rule {
    let actions = member("actions").and_then(|value| Actions::read(value).ok()).unwrap_or_default();
    Rule::of(actions, member("negative").and_then(Value::as_bool).unwrap_or(false))
}

/// The workspaces a permission may name.
type Names<'v> = HashMap<&'v str, Uuid, foldhash::fast::RandomState>;

fn names(view: &View) -> Names<'_> {
    view.all("workspaces").filter_map(|found| Some((found.text("name")?, found.id.uuid()?))).collect()
}

/// Adds a permission on endpoints. One for a workspace that is gone counts for nothing.
fn add_endpoint(permissions: &mut Permissions, names: &Names<'_>, workspace: &str, endpoint: &str, rule: Rule) {
    let workspace = match workspace {
        "*" => None,
        name => match names.get(name) {
            Some(id) => Some(*id),
            None => return,
        },
    };
    permissions.endpoints.add(workspace, &Endpoint::parse(endpoint), rule);
}

fn of_role(permissions: &mut Permissions, role: &Id, view: &View, names: &Names<'_>) {
    for permission in view.children("rbac_role_endpoints", "role", role) {
        if let (Some(workspace), Some(endpoint)) = (permission.text("workspace"), permission.text("endpoint")) {
            add_endpoint(permissions, names, workspace, endpoint, rule(|name| permission.value.get(name)));
        }
    }
    for permission in view.children("rbac_role_entities", "role", role) {
        if let Some(entity) = permission.text("entity_id") {
            permissions.add_entity(entity, rule(|name| permission.value.get(name)));
        }
    }
}

/// The scope of a token; none where it is as wide as its user. Of what a scope does not list, it allows nothing, but a scope
/// of endpoints alone does not speak of entities, nor the other way round.
fn scope_of(token: &Record, view: &View) -> Option<Permissions> {
    let listed = |name: &str| {
        let list = token.value.get("scope").and_then(|scope| scope.get(name)).and_then(Value::as_array);
        list.filter(|list| !list.is_empty())
    };
    let (endpoints, entities) = (listed("endpoints"), listed("entities"));
    if endpoints.is_none() && entities.is_none() {
        return None;
    }
    let (names, mut scope) = (names(view), Permissions::default());
    let everything = Rule::of(Actions::ALL, false);
    match endpoints {
        None => scope.endpoints.add(None, &Endpoint::All, everything),
        Some(endpoints) => {
            for one in endpoints {
                let text = |name: &str| one.get(name).and_then(Value::as_str);
                if let (Some(workspace), Some(endpoint)) = (text("workspace"), text("endpoint")) {
                    add_endpoint(&mut scope, &names, workspace, endpoint, rule(|name| one.get(name)));
                }
            }
        }
    }
    match entities {
        None => scope.add_entity("*", everything),
        Some(entities) => {
            for one in entities {
                if let Some(entity) = one.get("entity_id").and_then(Value::as_str) {
                    scope.add_entity(entity, rule(|name| one.get(name)));
                }
            }
        }
    }
    Some(scope)
}

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
            view.get("rbac_roles", role).is_some_and(|role| role.value.get("is_default") == Some(&Value::Bool(true)))
        });
        let (names, mut permissions) = (names(view), Permissions::default());
        roles.iter().for_each(|role| of_role(&mut permissions, role, view, &names));
        Some(Subject {
            id,
            name: user.text("name").unwrap_or_default().to_owned(),
            admin,
            own_role: own_role.cloned(),
            roles,
            by_token: false,
            permissions: Arc::new(permissions),
            scope: None,
        })
    }

    /// The same user, as one of its tokens lets it.
    pub fn with_token(&self, token: &Record, view: &View) -> Subject {
        let mut subject = Subject { by_token: true, ..self.clone() };
        if let Some(scope) = scope_of(token, view) {
            subject.scope = Some(Arc::new(scope));
            subject.roles = Vec::new();
        }
        subject
    }

    /// This subject where the user's permissions on endpoints or on entities count for nothing: a scope is held to all the
    /// same.
    pub fn counting(&self, endpoints: bool, entities: bool) -> Subject {
        let permissions = self.permissions.counting(endpoints, entities);
        Subject { permissions: Arc::new(permissions), ..self.clone() }
    }

    /// Whether it has less than its user.
    pub fn is_narrowed(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether both the user and the scope say so.
    fn both(&self, says: impl Fn(&Permissions) -> bool) -> bool {
        says(&self.permissions) && self.scope.as_deref().is_none_or(says)
    }

    /// Whether the user or the scope says so.
    fn either(&self, says: impl Fn(&Permissions) -> bool) -> bool {
        says(&self.permissions) || self.scope.as_deref().is_some_and(says)
    }

    /// Whether it may do `action` at an endpoint; see [`crate::Endpoints::decide`].
    pub fn at(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> Verdict {
        self.decision(workspace, segments, action).0
    }

    /// Decides, and tells whether a permission that names the path did; see [`crate::Endpoints::decision`]. A scope allows no
    /// more than it names, and a path that the user has by name is not had so by a scope for every path.
    pub fn decision(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> (Verdict, bool) {
        let (verdict, is_named) = self.permissions.endpoints.decision(workspace, segments, action);
        match self.scope.as_deref().filter(|_| verdict.is_allowed()) {
            None => (verdict, is_named),
            Some(scope) => {
                let (narrowed, named_too) = scope.endpoints.decision(workspace, segments, action);
                (narrowed, is_named && named_too)
            }
        }
    }

    /// Whether a negative permission that names a path takes an action away.
    pub fn forbids(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> bool {
        self.either(|set| set.endpoints.forbids(workspace, segments, action))
    }

    /// The same for permissions that have the segments at these positions as words.
    pub fn forbids_words(
        &self,
        workspace: Option<Uuid>,
        segments: &[Vec<u8>],
        words: &[usize],
        action: Action,
    ) -> bool {
        self.either(|set| set.endpoints.forbids_words(workspace, segments, words, action))
    }

    /// Whether a negative permission takes one of these actions away anywhere in an endpoint of a workspace (`None`: of any).
    pub fn forbids_within(&self, workspace: Option<Uuid>, endpoint: &Endpoint, actions: Actions) -> bool {
        self.either(|set| set.endpoints.forbids_within(workspace, endpoint, actions))
    }

    /// Whether every action at every endpoint of a workspace (`None`: of all) is allowed by one rule.
    pub fn everything(&self, workspace: Option<Uuid>) -> bool {
        self.both(|set| set.endpoints.everything(workspace))
    }

    /// Whether any positive permission speaks of a workspace.
    pub fn any_in(&self, workspace: Uuid) -> bool {
        self.both(|set| set.endpoints.any_in(workspace))
    }

    /// Whether it may do `action` with an entity; see [`Permissions::with`].
    pub fn with(&self, entity: &str, workspace: Option<Uuid>, action: Action) -> bool {
        self.both(|set| set.with(entity, workspace, action))
    }

    /// Whether its user may, whatever the scope says.
    pub fn user_with(&self, entity: &str, workspace: Option<Uuid>, action: Action) -> bool {
        self.permissions.with(entity, workspace, action)
    }

    /// Whether it may do `action` with every entity of a workspace, or of none.
    pub fn with_all(&self, workspace: Option<Uuid>, action: Action) -> bool {
        self.both(|set| set.with_all(workspace, action))
    }
}
