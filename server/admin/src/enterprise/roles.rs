//! `/rbac/roles`, their endpoint permissions and their entity permissions.

use super::desk::{Call, without};
use super::pass::ends_of_rights;
use super::permissions::{is_negative, is_own};
use super::users::shown_role;
use crate::body::Body;
use crate::errors;
use crate::respond::Answer;
use access::{Actions, Endpoint};
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Record};

fn shown_permission(permission: &Record) -> Map<String, Value> {
    without(permission, &["id"])
}

/// The actions that a body names, as they are stored.
fn actions(members: &mut Map<String, Value>) -> Result<(), Answer> {
    let Some(given) = members.get("actions").filter(|value| !value.is_null()) else { return Ok(()) };
    let wrong = |text: String| errors::schema_violation(Errors::of("actions", text));
    let read = Actions::read(given)
        .map_err(|word| wrong(format!("invalid action '{word}': expected one of read, create, update, delete or *")))?;
    if read.is_empty() {
        return Err(wrong("at least one action is required".to_owned()));
    }
    members.insert("actions".to_owned(), read.names().collect::<Vec<_>>().into());
    Ok(())
}

impl Call<'_> {
    fn role_named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("rbac_roles", "name", key, true).filter(|role| !is_own(role))
    }

    fn the_role(&self) -> Result<Arc<Record>, Answer> {
        self.role_named(self.parameter(0)).ok_or_else(errors::not_found)
    }

    pub(super) fn list_roles(&self) -> Result<Answer, Answer> {
        let here = Some(self.scope.workspace);
        let roles = self.view.all("rbac_roles").filter(|role| role.ws == here && !is_own(role));
        self.listed(roles.cloned().collect(), shown_role)
    }

    fn role_members(&self, body: Body) -> Result<Map<String, Value>, Answer> {
        let mut members = self.sent("rbac_roles", body)?;
        // Whether a role is a user's own follows from how it came to be.
        members.shift_remove("is_default");
        members.shift_remove("ws_id");
        Ok(members)
    }

    pub(super) async fn create_role(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.role_members(body)?;
        self.make_role(members, 201).await
    }

    async fn make_role(&self, members: Map<String, Value>, status: u16) -> Result<Answer, Answer> {
        let role = self.scope.made("rbac_roles", Some(self.scope.workspace), members.into())?;
        self.write(vec![Operation::Insert(role.clone())]).await?;
        Ok(Answer::json(status, &shown_role(&role).into()))
    }

    pub(super) async fn role(&self, body: Body) -> Result<Answer, Answer> {
        let key = self.parameter(0);
        match (self.method, self.role_named(key)) {
            ("PUT", known) => {
                let mut members = self.role_members(body)?;
                let Some(known) = known else {
                    self.check_making()?;
                    let field = if Id::parse(key).uuid().is_some() { "id" } else { "name" };
                    members.insert(field.to_owned(), key.into());
                    return self.make_role(members, 200).await;
                };
                self.check_reach([&known.id]).await?;
                if members.get("name").is_some_and(|name| Some(name) != known.value.get("name")) {
                    self.check_untouched(&known)?;
                }
                members.insert("id".to_owned(), known.id.to_string().into());
                members.entry("name").or_insert(known.value.get("name").cloned().unwrap_or_default());
                if let Some(created) = known.value.get("created_at") {
                    members.insert("created_at".to_owned(), created.clone());
                }
                let role = self.scope.made("rbac_roles", known.ws, members.into())?;
                self.write(vec![Operation::Update(role.clone())]).await?;
                Ok(Answer::json(200, &shown_role(&role).into()))
            }
            ("DELETE", None) => self.scope.pass.absent(Some(self.scope.workspace)),
            (_, None) => Err(errors::not_found()),
            ("PATCH", Some(known)) => {
                let mut members = self.role_members(body)?;
                members.shift_remove("id");
                self.check_reach([&known.id]).await?;
                if members.get("name").is_some_and(|name| Some(name) != known.value.get("name")) {
                    self.check_untouched(&known)?;
                }
                let role = self.changed(&known, members)?;
                self.write(vec![Operation::Update(role.clone())]).await?;
                Ok(Answer::json(200, &shown_role(&role).into()))
            }
            ("DELETE", Some(role)) => {
                self.check_reach([&role.id]).await?;
                self.check_untouched(&role)?;
                let mut users =
                    self.view.children("rbac_user_roles", "role", &role.id).filter_map(|has| has.reference("user"));
                if users.any(|user| self.is_self(&user)) {
                    return Err(errors::plain(400, "one's own access cannot be taken away"));
                }
                let mut operations = ends_of_rights(&self.view, std::slice::from_ref(&role));
                operations.push(Operation::Delete { entity: "rbac_roles", id: role.id.clone() });
                self.write(operations).await?;
                Ok(Answer::empty(204))
            }
            (_, Some(role)) => Ok(Answer::json(200, &shown_role(&role).into())),
        }
    }

    pub(super) fn role_permissions(&self) -> Result<Answer, Answer> {
        let role = self.the_role()?;
        Ok(Answer::json(200, &self.permissions(std::slice::from_ref(&role.id))))
    }

    fn workspace_name(&self) -> String {
        let here = Id::Uuid(self.scope.workspace);
        self.view.get("workspaces", &here).and_then(|here| here.text("name")).unwrap_or("default").to_owned()
    }

    pub(super) async fn role_endpoints(&self, body: Body) -> Result<Answer, Answer> {
        let role = self.the_role()?;
        let all = self.view.children("rbac_role_endpoints", "role", &role.id);
        if self.method == "GET" {
            return self.listed_permissions(all.cloned().collect());
        }
        let mut members = self.sent("rbac_role_endpoints", body)?;
        let workspace = self.permitted_workspace(members.get("workspace"))?;
        let endpoint = match members.get("endpoint") {
            Some(Value::String(text)) if !text.is_empty() => Some(Endpoint::parse(text).to_string()),
            _ => None,
        };
        if self.method == "PATCH" {
            let found = self.endpoint_permission(&role, &workspace, &[endpoint.as_deref().unwrap_or_default()]);
            let found = found.ok_or_else(errors::not_found)?;
            for key in ["workspace", "endpoint"] {
                members.shift_remove(key);
            }
            return self.change_permission(&role, &found, members).await;
        }
        members.insert("workspace".to_owned(), workspace.clone().into());
        if let Some(endpoint) = endpoint {
            members.insert("endpoint".to_owned(), endpoint.into());
        }
        self.new_permission("rbac_role_endpoints", &role, members, &workspace).await
    }

    /// The workspace that a permission is for: one that is there, or all.
    fn permitted_workspace(&self, given: Option<&Value>) -> Result<String, Answer> {
        match given {
            None | Some(Value::Null) => Ok(self.workspace_name()),
            Some(Value::String(name)) if name == "*" => Ok(name.clone()),
            Some(Value::String(name)) => {
                // One that may not be known is none.
                let known = self.find("workspaces", "name", name, false).filter(|known| self.knows(known));
                let name = known.and_then(|known| known.text("name").map(str::to_owned));
                name.ok_or_else(|| errors::schema_violation(Errors::of("workspace", "workspace not found")))
            }
            Some(_) => Err(errors::schema_violation(Errors::of("workspace", "expected a string"))),
        }
    }

    async fn new_permission(
        &self,
        entity: &'static str,
        role: &Record,
        mut members: Map<String, Value>,
        workspace: &str,
    ) -> Result<Answer, Answer> {
        actions(&mut members)?;
        members.shift_remove("id");
        members.insert("role".to_owned(), json!({"id": role.id.to_string()}));
        let permission = self.scope.made(entity, None, members.into())?;
        self.check_workspace(workspace)?;
        self.check_untouched(role)?;
        if !is_negative(&permission) {
            self.check_widening(&permission).await?;
        }
        self.write(vec![Operation::Insert(permission.clone())]).await?;
        Ok(Answer::json(201, &shown_permission(&permission).into()))
    }

    async fn check_widening(&self, permission: &Record) -> Result<(), Answer> {
        match permission.entity {
            "rbac_role_entities" => self.check_entity(permission).await,
            _ => self.check_endpoint(permission),
        }
    }

    fn endpoint_permission(&self, role: &Record, workspace: &str, segments: &[&str]) -> Option<Arc<Record>> {
        let path = Endpoint::parse(&format!("/{}", segments.join("/"))).to_string();
        let find = |endpoint: &str| {
            self.view.children("rbac_role_endpoints", "role", &role.id).find(|permission| {
                permission.text("workspace") == Some(workspace) && permission.text("endpoint") == Some(endpoint)
            })
        };
        let all = if segments == ["*"] { find("*") } else { None };
        all.or_else(|| find(&path)).cloned()
    }

    pub(super) async fn role_endpoint(&self, body: Body) -> Result<Answer, Answer> {
        let role = self.the_role()?;
        let by_name = self.parameter(1);
        let named = self.find("workspaces", "name", by_name, false);
        let workspace = named.as_deref().and_then(|known| known.text("name")).unwrap_or(by_name);
        let found =
            self.endpoint_permission(&role, workspace, self.parameters_from(2)).ok_or_else(errors::not_found)?;
        match self.method {
            "PATCH" => {
                let mut members = self.sent("rbac_role_endpoints", body)?;
                for key in ["workspace", "endpoint"] {
                    members.shift_remove(key);
                }
                self.change_permission(&role, &found, members).await
            }
            "DELETE" => self.end_permission(&role, &found).await,
            _ => Ok(Answer::json(200, &shown_permission(&found).into())),
        }
    }

    async fn change_permission(
        &self,
        role: &Record,
        known: &Record,
        mut members: Map<String, Value>,
    ) -> Result<Answer, Answer> {
        actions(&mut members)?;
        for key in ["id", "role", "entity_id", "entity_type"] {
            members.shift_remove(key);
        }
        self.check_workspace(&self.workspace_of_permission(known).await?)?;
        self.check_untouched(role)?;
        let permission = self.changed(known, members)?;
        // What was negative may end, and what is positive begin.
        for widened in [(known, true), (&permission, false)] {
            if is_negative(widened.0) == widened.1 {
                self.check_widening(widened.0).await?;
            }
        }
        self.write(vec![Operation::Update(permission.clone())]).await?;
        Ok(Answer::json(200, &shown_permission(&permission).into()))
    }

    async fn end_permission(&self, role: &Record, known: &Record) -> Result<Answer, Answer> {
        self.check_workspace(&self.workspace_of_permission(known).await?)?;
        self.check_untouched(role)?;
        if is_negative(known) {
            self.check_widening(known).await?;
        }
        self.write(vec![Operation::Delete { entity: known.entity, id: known.id.clone() }]).await?;
        Ok(Answer::empty(204))
    }

    /// The workspace a permission speaks of, by name; `*` for all.
    async fn workspace_of_permission(&self, permission: &Record) -> Result<String, Answer> {
        if let Some(workspace) = permission.text("workspace") {
            return Ok(workspace.to_owned());
        }
        let (id, kind) =
            (permission.text("entity_id").unwrap_or("*"), permission.text("entity_type").unwrap_or_default());
        let found = self.entity_of(kind, id).await?;
        Ok(self.workspace_of_entity(id, found.as_deref()))
    }

    /// The workspace of an entity, by name; `*` for all entities, and this workspace for what is gone or belongs to none.
    fn workspace_of_entity(&self, id: &str, found: Option<&Record>) -> String {
        if id == "*" {
            // With endpoint permissions beside, a star reaches no further than they do.
            return if self.gate.settings.endpoints { self.workspace_name() } else { "*".to_owned() };
        }
        let workspace = match found {
            Some(record) if record.entity == "workspaces" => Some(record.id.clone()),
            Some(record) => record.ws.map(Id::Uuid),
            None => None,
        };
        let named =
            workspace.and_then(|workspace| self.view.get("workspaces", &workspace)?.text("name").map(str::to_owned));
        named.unwrap_or_else(|| self.workspace_name())
    }

    fn listed_permissions(&self, permissions: Vec<Arc<Record>>) -> Result<Answer, Answer> {
        let data: Vec<Value> = permissions.iter().map(|one| shown_permission(one).into()).collect();
        Ok(Answer::json(200, &json!({"data": data, "next": null})))
    }

    pub(super) async fn role_entities(&self, body: Body) -> Result<Answer, Answer> {
        let role = self.the_role()?;
        if self.method == "GET" {
            let all = self.view.children("rbac_role_entities", "role", &role.id);
            return self.listed_permissions(all.cloned().collect());
        }
        let mut members = self.sent("rbac_role_entities", body)?;
        let id = match members.get("entity_id") {
            Some(Value::String(id)) => Some(id.clone()),
            _ => None,
        };
        let workspace = match &id {
            None => self.workspace_name(),
            Some(id) if id == "*" => {
                members.insert("entity_type".to_owned(), "wildcard".into());
                self.workspace_of_entity("*", None)
            }
            Some(id) => {
                let found = self.permitted_entity(id, members.get("entity_type").and_then(Value::as_str)).await?;
                members.insert("entity_id".to_owned(), found.id.to_string().into());
                members.insert("entity_type".to_owned(), found.entity.into());
                self.workspace_of_entity(id, Some(&found))
            }
        };
        self.new_permission("rbac_role_entities", &role, members, &workspace).await
    }

    /// An entity that is there and may be seen.
    async fn permitted_entity(&self, id: &str, kind: Option<&str>) -> Result<Arc<Record>, Answer> {
        let is_theirs = |record: &Record| {
            // A permission for what one cannot reach would tell that it is there.
            let workspace = if record.entity == "workspaces" { record.id.uuid() } else { record.ws };
            self.scope.pass.subject.is_none()
                || workspace.is_none_or(|ws| ws == self.scope.workspace || self.scope.pass.governs(Some(ws)))
        };
        let catalog = self.scope.store.catalog().clone();
        for rules in catalog.rules().iter().filter(|rules| kind.is_none_or(|kind| kind == rules.entity)) {
            if let Some(found) = self.entity_of(rules.entity, id).await?
                && is_theirs(&found)
            {
                return Ok(found);
            }
        }
        let text = format!("There is no entity permission with entity_id {id}: entity not found");
        Err(errors::schema_violation(Errors::of("entity_id", text)))
    }

    pub(super) async fn role_entity(&self, body: Body) -> Result<Answer, Answer> {
        let role = self.the_role()?;
        let key = Id::parse(self.parameter(1)).to_string();
        let mut all = self.view.children("rbac_role_entities", "role", &role.id);
        let found = all.find(|one| one.text("entity_id") == Some(&key)).ok_or_else(errors::not_found)?;
        match self.method {
            "PATCH" => {
                let members = self.sent("rbac_role_entities", body)?;
                self.change_permission(&role, found, members).await
            }
            "DELETE" => self.end_permission(&role, found).await,
            _ => Ok(Answer::json(200, &shown_permission(found).into())),
        }
    }
}
