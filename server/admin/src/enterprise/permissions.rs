//! What roles allow, as it is shown, and who may give them.

use super::desk::Call;
use crate::errors;
use crate::respond::Answer;
use access::Subject;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Precondition, Record};

impl Call<'_> {
    /// The roles of a user, its groups' too.
    pub(super) fn roles_of(&self, user: &Id) -> Vec<Id> {
        let mut roles: Vec<Id> = Vec::new();
        let mut take = |role: Option<Id>| {
            if let Some(role) = role
                && !roles.contains(&role)
            {
                roles.push(role);
            }
        };
        for has in self.view.children("rbac_user_roles", "user", user) {
            take(has.reference("role"));
        }
        for place in self.view.children("rbac_user_groups", "user", user) {
            let Some(group) = place.reference("group") else { continue };
            for has in self.view.children("group_rbac_roles", "group", &group) {
                take(has.reference("rbac_role"));
            }
        }
        roles
    }

    /// The permissions of roles: endpoints by workspace and path, entities by id.
    pub(super) fn permissions(&self, roles: &[Id]) -> Value {
        let mut endpoints: Map<String, Value> = Map::new();
        let mut entities: Map<String, Value> = Map::new();
        for role in roles {
            for permission in self.view.children("rbac_role_endpoints", "role", role) {
                let (Some(workspace), Some(endpoint)) = (permission.text("workspace"), permission.text("endpoint"))
                else {
                    continue;
                };
                let path = match endpoint {
                    "*" => "*".to_owned(),
                    endpoint => format!("/{workspace}{endpoint}"),
                };
                let of_workspace = endpoints.entry(workspace).or_insert_with(|| json!({}));
                join(of_workspace, &path, permission);
            }
            for permission in self.view.children("rbac_role_entities", "role", role) {
                let Some(entity) = permission.text("entity_id") else { continue };
                let mut all = Value::Object(std::mem::take(&mut entities));
                join(&mut all, entity, permission);
                if let Value::Object(all) = all {
                    entities = all;
                }
                if let Some(shown) = entities.get_mut(entity) {
                    shown["entity_type"] = permission.value.get("entity_type").cloned().unwrap_or_default();
                }
            }
        }
        json!({"endpoints": endpoints, "entities": entities})
    }

    /// The workspaces that the roles of a user speak of.
    pub(super) fn workspaces_of(&self, user: &Id) -> Vec<Map<String, Value>> {
        let roles = self.roles_of(user);
        let mut names: Vec<&str> = Vec::new();
        for role in &roles {
            let permissions = self.view.children("rbac_role_endpoints", "role", role);
            names.extend(permissions.filter(|one| !is_negative(one)).filter_map(|one| one.text("workspace")));
        }
        let all = self.view.all("workspaces");
        all.filter(|workspace| names.iter().any(|name| *name == "*" || workspace.text("name") == Some(name)))
            .map(|workspace| workspace.value.clone())
            .collect()
    }

    /// The roles of this workspace with these names.
    pub(super) fn roles_named(&self, names: Option<&Value>) -> Result<Vec<Arc<Record>>, Answer> {
        let names: Vec<&str> = match names {
            Some(Value::String(text)) => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if names.is_empty() {
            return Err(errors::schema_violation(schema::Errors::of("roles", "must include >= 1 role")));
        }
        names
            .into_iter()
            .map(|name| {
                let found = self.find("rbac_roles", "name", name, true).filter(|role| !is_own(role));
                found.ok_or_else(|| errors::plain(400, &format!("role not found with name '{name}'")))
            })
            .collect()
    }

    /// Refuses to let someone give, take or use what it does not govern, or has itself only in part: the permissions of
    /// these roles. What it has by a role of its own it may hand on.
    pub(super) async fn check_reach<'r>(&self, roles: impl IntoIterator<Item = &'r Id>) -> Result<(), Answer> {
        let Some(subject) = self.scope.pass.subject.as_deref() else { return Ok(()) };
        for role in roles {
            let is_own = subject.roles.contains(role);
            for permission in self.view.children("rbac_role_endpoints", "role", role) {
                self.check_workspace(permission.text("workspace").unwrap_or("*"))?;
                if !is_own && !is_negative(permission) {
                    self.check_endpoint(permission)?;
                }
            }
            for permission in self.view.children("rbac_role_entities", "role", role) {
                if !is_own && !is_negative(permission) {
                    self.check_entity(permission).await?;
                }
            }
        }
        Ok(())
    }

    /// Refuses to let someone widen what others may do by more than it may do itself: by this positive permission, or by the
    /// end of this negative one.
    pub(super) fn check_endpoint(&self, permission: &Record) -> Result<(), Answer> {
        let Some(subject) = self.scope.pass.subject.as_deref() else { return Ok(()) };
        let (workspace, endpoint) =
            (permission.text("workspace").unwrap_or("*"), permission.text("endpoint").unwrap_or("*"));
        let workspace = match workspace {
            "*" => None,
            name => match self.view.by_unique("workspaces", None, "name", &name.into()) {
                Some(workspace) => workspace.id.uuid(),
                None => return Ok(()),
            },
        };
        match subject.forbids_within(workspace, &access::Endpoint::parse(endpoint), actions_of(permission)) {
            true => Err(self.forbidden()),
            false => Ok(()),
        }
    }

    /// The same for a permission on entities, where those count: one gives the actions that one has.
    pub(super) async fn check_entity(&self, permission: &Record) -> Result<(), Answer> {
        let pass = self.scope.pass;
        let Some(subject) = pass.subject.as_deref().filter(|_| pass.entities) else { return Ok(()) };
        let id = permission.text("entity_id").unwrap_or("*");
        let workspace = match permission.text("entity_type") {
            Some("workspaces") => Id::parse(id).uuid(),
            Some(kind) if id != "*" => self.entity_of(kind, id).await?.and_then(|record| record.ws),
            _ => None,
        };
        let actions = actions_of(permission);
        let has = |action: access::Action| subject.with(id, workspace, action);
        match access::Action::ALL.into_iter().all(|action| !actions.contains(action) || has(action)) {
            true => Ok(()),
            false => Err(self.forbidden()),
        }
    }

    /// An entity of any kind, whoever may read it.
    pub(super) async fn entity_of(&self, kind: &str, id: &str) -> Result<Option<Arc<Record>>, Answer> {
        let Some(rules) = self.scope.store.catalog().get(kind) else { return Ok(None) };
        self.scope.store.get(rules.entity, &Id::parse(id)).await.map_err(|error| errors::store(&error))
    }

    /// Refuses to let someone give or take permissions for a workspace it does not govern.
    pub(super) fn check_workspace(&self, name: &str) -> Result<(), Answer> {
        let workspace = match name {
            "*" => None,
            name => match self.view.by_unique("workspaces", None, "name", &name.into()) {
                Some(workspace) => workspace.id.uuid(),
                // Speaks of nothing.
                None => return Ok(()),
            },
        };
        let pass = self.scope.pass;
        let here = workspace == Some(self.scope.workspace) && pass.manages_roles(self.scope.workspace);
        if here || pass.governs(workspace) {
            return Ok(());
        }
        Err(self.forbidden())
    }

    /// Kong's sentence for the one who asks.
    pub(super) fn forbidden(&self) -> Answer {
        match self.scope.pass.subject.as_deref() {
            Some(subject) => super::gate::forbidden(subject, self.scope.pass.action),
            None => errors::plain(403, "you do not have permissions to do this"),
        }
    }

    /// Whether a user is the one who asks.
    pub(super) fn is_self(&self, user: &Id) -> bool {
        self.scope.pass.subject.as_deref().is_some_and(|subject| user.uuid() == Some(subject.id))
    }

    /// Whether the one who asks came with a token that a user keeps beside its own.
    pub(super) fn by_token(&self) -> bool {
        self.scope.pass.subject.as_deref().is_some_and(|subject| subject.by_token)
    }

    /// The role of the super admins.
    pub(super) fn super_admin(&self) -> Option<&Arc<Record>> {
        self.view.by_unique("rbac_roles", Some(entities::DEFAULT_WORKSPACE), "name", &"super-admin".into())
    }

    /// Refuses what would leave the gateway without a super admin. `without`: the user that goes; `taken`: the roles that it
    /// loses, where it does not lose all. What the answer rests on must still hold when that is written.
    pub(super) fn check_last(&self, without: &Id, taken: Option<&[Id]>) -> Result<Vec<Precondition>, Answer> {
        let Some(role) = self.super_admin().filter(|_| self.gate.enforces()) else { return Ok(Vec::new()) };
        let is_loss = taken.is_none_or(|taken| taken.contains(&role.id));
        let holds = |has: &Arc<Record>| has.reference("role").as_ref() == Some(&role.id);
        if !is_loss || !self.view.children("rbac_user_roles", "user", without).any(holds) {
            return Ok(Vec::new());
        }
        let other = self.view.children("rbac_user_roles", "role", &role.id).find_map(|has| {
            let user = self.view.get("rbac_users", &has.reference("user")?)?;
            let comes_in = user.id != *without && self.comes_in(user);
            let admins = self.view.children("admins", "rbac_user", &user.id).cloned();
            comes_in.then(|| [has.clone(), user.clone()].into_iter().chain(admins).collect::<Vec<_>>())
        });
        let other = other
            .ok_or_else(|| errors::plain(400, "the last super admin cannot be removed: make another one first"))?;
        Ok(other.into_iter().map(Precondition::Unchanged).collect())
    }

    /// Whether a user has a way in: a token that counts, or a password. Who was only invited has none yet.
    fn comes_in(&self, user: &Record) -> bool {
        let is = |record: &Record, name: &str, value: Value| record.value.get(name) == Some(&value);
        let admin = self.view.children("admins", "rbac_user", &user.id).next();
        let has_token = user.text("user_token").is_some()
            && admin.is_none_or(|admin| !is(admin, "rbac_token_enabled", Value::Bool(false)));
        let signs_in = admin.is_some_and(|admin| {
            let by_directory = self.gate.settings.directory.is_some() && is(admin, "status", 4.into());
            self.gate.settings.signs_in() && (by_directory || is(admin, "status", 0.into()))
        });
        is(user, "enabled", Value::Bool(true)) && (has_token || signs_in)
    }

    /// Refuses a change of permissions after which the one who asks could not change it back: who may read, make, change or
    /// remove at this path may do so afterwards.
    pub(super) fn check_way_back(&self, operations: &[Operation]) -> Result<(), Answer> {
        let pass = self.scope.pass;
        let Some(subject) = pass.subject.as_deref().filter(|_| pass.endpoints) else { return Ok(()) };
        let changes: Vec<_> = operations.iter().filter_map(of_permission).collect();
        let Some(user) = self.view.get("rbac_users", &Id::Uuid(subject.id)).filter(|_| !changes.is_empty()) else {
            return Ok(());
        };
        let Some(policy) = &pass.policy else { return Ok(()) };
        let Some(before) = policy.subject(subject.id) else { return Ok(()) };
        let after = Subject::of(user, &self.view.seen_with(changes));
        let may = |subject: &Subject, action| subject.at(pass.place, &pass.segments, action).is_allowed();
        let keeps = |action| !may(&before, action) || after.as_ref().is_some_and(|after| may(after, action));
        match access::Action::ALL.into_iter().all(keeps) {
            true => Ok(()),
            false => Err(errors::plain(400, "one's own access cannot be taken away")),
        }
    }

    /// Refuses to change what makes a super admin one, where RBAC is on.
    pub(super) fn check_untouched(&self, role: &Record) -> Result<(), Answer> {
        match self.super_admin() {
            Some(known) if known.id == role.id && self.gate.enforces() => Err(errors::plain(
                400,
                "the role super-admin and its permissions cannot be changed while enforce_rbac is on",
            )),
            _ => Ok(()),
        }
    }
}

/// A change of a role's permissions, for [`store::View::seen_with`].
fn of_permission(operation: &Operation) -> Option<(&'static str, Id, Option<Record>)> {
    let (entity, id, record) = match operation {
        Operation::Insert(record) | Operation::Update(record) | Operation::Upsert(record) => {
            (record.entity, record.id.clone(), Some(record.clone()))
        }
        Operation::Delete { entity, id } => (*entity, id.clone(), None),
        Operation::ReplaceAll(_) => return None,
    };
    matches!(entity, "rbac_role_endpoints" | "rbac_role_entities").then_some((entity, id, record))
}

fn actions_of(permission: &Record) -> access::Actions {
    permission.value.get("actions").and_then(|value| access::Actions::read(value).ok()).unwrap_or_default()
}

fn join(all: &mut Value, key: &str, permission: &Record) {
    let negative = is_negative(permission);
    let actions = actions_of(permission);
    let Value::Object(all) = all else { return };
    match all.get_mut(key) {
        // The same in another role: a negative one counts, equal ones add up.
        Some(known) if known["negative"] == Value::Bool(negative) => {
            let before = access::Actions::read(&known["actions"]).unwrap_or_default();
            known["actions"] = before.with(actions).names().collect::<Vec<_>>().into();
        }
        Some(_) if !negative => {}
        _ => {
            let names: Vec<&str> = actions.names().collect();
            all.insert(key.to_owned(), json!({"actions": names, "negative": negative}));
        }
    }
}

pub(super) fn is_negative(permission: &Record) -> bool {
    permission.value.get("negative") == Some(&Value::Bool(true))
}

/// Whether a role is a user's own.
pub(super) fn is_own(role: &Record) -> bool {
    role.value.get("is_default") == Some(&Value::Bool(true))
}
