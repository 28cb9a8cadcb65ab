//! `/rbac/users`

use super::desk::{Call, without};
use super::pass::ends_of_rights;
use super::permissions::is_own;
use crate::body::Body;
use crate::errors;
use crate::respond::Answer;
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Precondition, Record};

/// A user as it is shown: with the slow hash of its token, as clients expect, and never with the token.
fn shown(user: &Record) -> Map<String, Value> {
    without(user, &["is_admin"])
}

/// A role as it is shown.
pub(super) fn shown_role(role: &Record) -> Map<String, Value> {
    let mut value = role.value.clone();
    value.insert("ws_id".to_owned(), role.ws.map(|ws| ws.to_string()).into());
    value
}

fn is_admin(user: &Record) -> bool {
    user.value.get("is_admin") == Some(&Value::Bool(true))
}

impl Call<'_> {
    fn user_named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("rbac_users", "name", key, true).filter(|user| !is_admin(user))
    }

    pub(super) fn the_user(&self) -> Result<Arc<Record>, Answer> {
        self.user_named(self.parameter(0)).ok_or_else(errors::not_found)
    }

    pub(super) fn list_users(&self) -> Result<Answer, Answer> {
        let here = Some(self.scope.workspace);
        let users = self.view.all("rbac_users").filter(|user| user.ws == here && !is_admin(user));
        self.listed(users.cloned().collect(), shown)
    }

    /// Only these members come from outside.
    fn user_members(&self, body: Body) -> Result<(Map<String, Value>, Option<Value>), Answer> {
        let mut members = self.sent("rbac_users", body)?;
        for ours in ["user_token_ident", "is_admin"] {
            if members.contains_key(ours) {
                return Err(errors::schema_violation(Errors::of(ours, "unknown field")));
            }
        }
        let token = members.shift_remove("user_token");
        Ok((members, token))
    }

    pub(super) async fn create_user(&self, body: Body) -> Result<Answer, Answer> {
        let (members, token) = self.user_members(body)?;
        self.make_user(members, token, 201).await
    }

    async fn make_user(
        &self,
        members: Map<String, Value>,
        token: Option<Value>,
        status: u16,
    ) -> Result<Answer, Answer> {
        let token = match token {
            Some(Value::String(token)) => token,
            other => {
                let text = if other.is_none_or(|value| value.is_null()) {
                    "required field missing"
                } else {
                    "expected a string"
                };
                let mut wrong = Map::from_iter([("user_token".to_owned(), Value::from(text))]);
                if members.get("name").is_none_or(Value::is_null) {
                    wrong.insert("name".to_owned(), "required field missing".into());
                }
                return Err(errors::schema_violation(Errors::new(wrong)));
            }
        };
        let mut user = self.scope.made("rbac_users", Some(self.scope.workspace), members.into())?;
        self.gate.take_token(&self.view, None, &token, &mut user.value).await?;
        let mut operations = vec![Operation::Insert(user.clone())];
        operations.extend(self.first_role(&user).await?);
        self.write(operations).await?;
        Ok(Answer::json(status, &shown(&user).into()))
    }

    /// The role a new user begins with: the one of its name, or one of its own.
    pub(super) async fn first_role(&self, user: &Record) -> Result<Vec<Operation>, Answer> {
        let name = user.text("name").unwrap_or_default();
        let known = self.view.by_unique("rbac_roles", user.ws, "name", &name.into());
        let (role, made) = match known {
            Some(role) if !is_own(role) => {
                self.check_reach([&role.id]).await?;
                (role.id.clone(), None)
            }
            known => {
                // A role of this name that is another user's own: one that was renamed since.
                let own = if known.is_some() { format!("{name}-{}", user.id) } else { name.to_owned() };
                let comment = format!("Default user role generated for {name}");
                let value = json!({"name": own, "comment": comment, "is_default": true});
                let role = self.scope.made("rbac_roles", user.ws, value)?;
                (role.id.clone(), Some(role))
            }
        };
        let has = json!({"user": {"id": user.id.to_string()}, "role": {"id": role.to_string()}});
        let has = self.scope.made("rbac_user_roles", None, has)?;
        Ok(made.into_iter().chain([has]).map(Operation::Insert).collect())
    }

    pub(super) async fn user(&self, body: Body) -> Result<Answer, Answer> {
        let key = self.parameter(0);
        match (self.method, self.user_named(key)) {
            ("PUT", None) => {
                self.check_making()?;
                let (mut members, token) = self.user_members(body)?;
                let field = if Id::parse(key).uuid().is_some() { "id" } else { "name" };
                members.insert(field.to_owned(), key.into());
                self.make_user(members, token, 200).await
            }
            ("DELETE", None) => self.scope.pass.absent(Some(self.scope.workspace)),
            (_, None) => Err(errors::not_found()),
            ("PUT" | "PATCH", Some(user)) => self.change_user(&user, body).await,
            ("DELETE", Some(user)) => {
                let (operations, resting) = self.removal(&user).await?;
                self.write_if(operations, resting).await?;
                Ok(Answer::empty(204))
            }
            (_, Some(user)) => Ok(Answer::json(200, &shown(&user).into())),
        }
    }

    async fn change_user(&self, user: &Record, body: Body) -> Result<Answer, Answer> {
        let (mut members, token) = self.user_members(body)?;
        members.shift_remove("id");
        // Who sets a token can use it: the user's permissions must be within reach.
        self.check_reach(&self.roles_of(&user.id)).await?;
        let mut resting = Vec::new();
        if members.get("enabled") == Some(&Value::Bool(false)) {
            if self.is_self(&user.id) {
                return Err(errors::plain(400, "one's own access cannot be taken away"));
            }
            resting = self.check_last(&user.id, None)?;
        }
        let mut record = self.changed(user, members)?;
        match token {
            None => {}
            // What a client has read and sends back is no new token.
            Some(Value::String(token)) if Some(token.as_str()) == user.text("user_token") => {}
            Some(_) if self.is_self(&user.id) && self.by_token() => return Err(self.forbidden()),
            Some(Value::String(token)) => {
                self.gate.take_token(&self.view, Some(&user.id), &token, &mut record.value).await?;
            }
            Some(_) => return Err(errors::schema_violation(Errors::of("user_token", "expected a string"))),
        }
        self.write_if(vec![Operation::Update(record.clone())], resting).await?;
        Ok(Answer::json(200, &shown(&record).into()))
    }

    /// Everything that goes with a user: its own role, never one it merely shares a name with.
    pub(super) async fn removal(&self, user: &Arc<Record>) -> Result<(Vec<Operation>, Vec<Precondition>), Answer> {
        if self.is_self(&user.id) {
            return Err(errors::plain(400, "one's own access cannot be taken away"));
        }
        self.check_reach(&self.roles_of(&user.id)).await?;
        let resting = self.check_last(&user.id, None)?;
        let roles = self.view.children("rbac_user_roles", "user", &user.id).filter_map(|has| has.reference("role"));
        let own = roles.filter_map(|role| self.view.get("rbac_roles", &role)).filter(|role| is_own(role));
        let mut operations: Vec<Operation> =
            own.map(|role| Operation::Delete { entity: "rbac_roles", id: role.id.clone() }).collect();
        operations.extend(ends_of_rights(&self.view, std::slice::from_ref(user)));
        operations.push(Operation::Delete { entity: "rbac_users", id: user.id.clone() });
        Ok((operations, resting))
    }

    pub(super) async fn user_roles(&self, body: Body) -> Result<Answer, Answer> {
        let user = self.the_user()?;
        self.roles_at(&user, body, Some(shown(&user))).await
    }

    /// The roles of a user or of the user behind an admin: shown, given, taken.
    pub(super) async fn roles_at(
        &self,
        user: &Record,
        body: Body,
        shown_user: Option<Map<String, Value>>,
    ) -> Result<Answer, Answer> {
        let answer = |status: u16, roles: Vec<Value>| {
            let mut body = json!({"roles": roles});
            if let Some(user) = shown_user {
                body["user"] = user.into();
            }
            Answer::json(status, &body)
        };
        if self.method == "GET" {
            return Ok(answer(200, self.shown_roles(&user.id, None)));
        }
        if self.is_self(&user.id) {
            return Err(errors::plain(403, "nobody changes the roles of oneself"));
        }
        let (members, _) = body.into_members();
        let roles = self.roles_named(members.get("roles"))?;
        let ids: Vec<Id> = roles.iter().map(|role| role.id.clone()).collect();
        // Whoever gives roles manages them, whatever the path that leads there.
        if !self.scope.pass.manages_roles(self.scope.workspace) {
            return Err(self.forbidden());
        }
        self.check_reach(&ids).await?;
        let known: Vec<Arc<Record>> = self
            .view
            .children("rbac_user_roles", "user", &user.id)
            .filter(|has| has.reference("role").is_some_and(|role| ids.contains(&role)))
            .cloned()
            .collect();
        if self.method == "DELETE" {
            let resting = self.check_last(&user.id, Some(&ids))?;
            let operations =
                known.iter().map(|has| Operation::Delete { entity: "rbac_user_roles", id: has.id.clone() }).collect();
            self.write_if(operations, resting).await?;
            return Ok(Answer::empty(204));
        }
        let mut operations = Vec::new();
        for role in &ids {
            if !known.iter().any(|has| has.reference("role").as_ref() == Some(role)) {
                let has = json!({"user": {"id": user.id.to_string()}, "role": {"id": role.to_string()}});
                operations.push(Operation::Insert(self.scope.made("rbac_user_roles", None, has)?));
            }
        }
        self.write(operations).await?;
        Ok(answer(201, self.shown_roles(&user.id, Some(&roles))))
    }

    /// The roles of a user, with who gave them; `more`: roles it has just got.
    fn shown_roles(&self, user: &Id, more: Option<&[Arc<Record>]>) -> Vec<Value> {
        let mut out: Vec<Value> = Vec::new();
        let mut seen: Vec<Id> = Vec::new();
        for has in self.view.children("rbac_user_roles", "user", user) {
            let Some(role) = has.reference("role").and_then(|role| self.view.get("rbac_roles", &role)) else {
                continue;
            };
            seen.push(role.id.clone());
            if !is_own(role) {
                let mut shown = shown_role(role);
                shown.insert("role_source".to_owned(), has.value.get("role_source").cloned().unwrap_or_default());
                out.push(shown.into());
            }
        }
        for role in more.into_iter().flatten().filter(|role| !seen.contains(&role.id)) {
            let mut shown = shown_role(role);
            shown.insert("role_source".to_owned(), "local".into());
            out.push(shown.into());
        }
        out
    }

    pub(super) fn user_permissions(&self) -> Result<Answer, Answer> {
        let user = self.the_user()?;
        Ok(Answer::json(200, &self.permissions(&self.roles_of(&user.id))))
    }

    /// The groups of a user.
    pub(super) async fn user_groups(&self, body: Body) -> Result<Answer, Answer> {
        let user = self.the_user()?;
        let places: Vec<Arc<Record>> = self.view.children("rbac_user_groups", "user", &user.id).cloned().collect();
        if self.method == "GET" {
            let groups = places.iter().filter_map(|place| self.view.get("groups", &place.reference("group")?));
            let groups: Vec<Value> = groups.map(|group| Value::Object(group.value.clone())).collect();
            return Ok(Answer::json(200, &json!({"groups": groups, "user": shown(&user)})));
        }
        if self.is_self(&user.id) {
            return Err(errors::plain(403, "nobody changes the groups of oneself"));
        }
        let (members, _) = body.into_members();
        let Some(Value::String(names)) = members.get("groups") else {
            return Err(errors::schema_violation(Errors::of("groups", "required field missing")));
        };
        let mut operations = Vec::new();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let group = self.find("groups", "name", name, false);
            let group = group.ok_or_else(|| errors::plain(400, &format!("group not found with name '{name}'")))?;
            let roles = self.view.children("group_rbac_roles", "group", &group.id);
            let roles: Vec<Id> = roles.filter_map(|has| has.reference("rbac_role")).collect();
            self.check_reach(&roles).await?;
            let place = places.iter().find(|place| place.reference("group").as_ref() == Some(&group.id));
            match (self.method, place) {
                ("DELETE", Some(place)) => {
                    operations.push(Operation::Delete { entity: "rbac_user_groups", id: place.id.clone() });
                }
                ("POST", None) => {
                    let place = json!({"user": {"id": user.id.to_string()}, "group": {"id": group.id.to_string()}});
                    operations.push(Operation::Insert(self.scope.made("rbac_user_groups", None, place)?));
                }
                _ => {}
            }
        }
        self.write(operations).await?;
        if self.method == "DELETE" {
            return Ok(Answer::empty(204));
        }
        Ok(Answer::json(201, &json!({"groups": names, "user": shown(&user)})))
    }
}
