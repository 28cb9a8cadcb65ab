//! What a database with RBAC has from the beginning: the default roles, and the first super admin.

use crate::roles::DEFAULT_ROLES;
use crate::{secret, tokens};
use entities::{DEFAULT_WORKSPACE, Definitions, Fault};
use serde_json::{Map, Value, json};
use store::{Id, Operation, Record, View};
use uuid::Uuid;

/// The name of the first super admin.
const SUPER_ADMIN: &str = "kong_admin";

/// What is missing in a database.
#[derive(Debug, Default)]
pub struct Seeds {
    /// What to write.
    pub operations: Vec<Operation>,
}

/// Default roles where a database has none, and the first super admin where it has none and there is a password
/// (`KONG_PASSWORD`), which is its token too. `now`: seconds since 1970. Slow when there is a password.
///
/// # Errors
/// When the definitions refuse what is made here.
pub fn seeds(definitions: &Definitions, view: &View, password: Option<&str>, now: f64) -> Result<Seeds, Fault> {
    let mut seeds = Seeds::default();
    let home = Some(DEFAULT_WORKSPACE);
    let mut super_admin = None;
    for role in DEFAULT_ROLES {
        if let Some(known) = view.by_unique("rbac_roles", home, "name", &role.name.into()) {
            if role.name == "super-admin" {
                super_admin = known.id.uuid();
            }
            continue;
        }
        let id = Uuid::new_v4();
        if role.name == "super-admin" {
            super_admin = Some(id);
        }
        let named = json!({"id": id, "name": role.name, "comment": role.comment});
        seeds.add(definitions, "rbac_roles", home, named, now)?;
        let everything = ("*", role.actions.names().collect::<Vec<_>>(), false);
        let all = crate::Actions::ALL.names().collect::<Vec<_>>();
        let except = role.except.iter().map(|endpoint| (*endpoint, all.clone(), true));
        for (endpoint, actions, negative) in std::iter::once(everything).chain(except) {
            let permission = json!({"role": {"id": id}, "workspace": "*", "endpoint": endpoint, "actions": actions, "negative": negative});
            seeds.add(definitions, "rbac_role_endpoints", None, permission, now)?;
        }
        let actions: Vec<_> = role.actions.names().collect();
        let permission = json!({"role": {"id": id}, "entity_id": "*", "entity_type": "wildcard", "actions": actions});
        seeds.add(definitions, "rbac_role_entities", None, permission, now)?;
    }
    if let (Some(password), Some(role)) = (password.filter(|password| !password.is_empty()), super_admin)
        && !has_holder(view, role)
        && view.by_unique("rbac_users", None, "name", &SUPER_ADMIN.into()).is_none()
        && view.by_unique("admins", None, "username_lower", &SUPER_ADMIN.into()).is_none()
    {
        let user = Uuid::new_v4();
        let token = json!({
            "id": user, "name": SUPER_ADMIN, "comment": "Initial RBAC Secure User", "is_admin": true,
            "user_token": secret::hash(password), "user_token_ident": tokens::ident(password),
        });
        seeds.add(definitions, "rbac_users", home, token, now)?;
        let has = json!({"user": {"id": user}, "role": {"id": role}});
        seeds.add(definitions, "rbac_user_roles", None, has, now)?;
        let admin = json!({
            "username": SUPER_ADMIN, "username_lower": SUPER_ADMIN, "status": 0, "rbac_token_enabled": true,
            "rbac_user": {"id": user}, "belong_workspace": {"id": DEFAULT_WORKSPACE}, "password": secret::hash(password),
        });
        seeds.add(definitions, "admins", None, admin, now)?;
    }
    Ok(seeds)
}

/// Whether an enabled user has a role.
fn has_holder(view: &View, role: Uuid) -> bool {
    let enabled = |user: &Record| user.value.get("enabled") == Some(&Value::Bool(true));
    let holders = view.children("rbac_user_roles", "role", &Id::Uuid(role)).filter_map(|has| has.reference("user"));
    holders.filter_map(|user| view.get("rbac_users", &user)).any(|user| enabled(user))
}

impl Seeds {
    fn add(
        &mut self,
        definitions: &Definitions,
        entity: &'static str,
        ws: Option<Uuid>,
        value: Value,
        now: f64,
    ) -> Result<(), Fault> {
        let value = match value {
            Value::Object(value) => value,
            _ => Map::new(),
        };
        let value = definitions.process_insert(entity, value, now)?;
        let Some(id) = Id::of(&["id"], &value) else { return Ok(()) };
        self.operations.push(Operation::Insert(Record { entity, id, ws, value, expires: None }));
        Ok(())
    }
}
