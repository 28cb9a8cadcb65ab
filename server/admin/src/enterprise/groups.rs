//! `/groups`

use super::desk::{Call, without};
use crate::body::Body;
use crate::errors;
use crate::query;
use crate::respond::Answer;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Record};

fn shown(group: &Record) -> Map<String, Value> {
    without(group, &[])
}

impl Call<'_> {
    fn group_named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("groups", "name", key, false)
    }

    pub(super) fn list_groups(&self) -> Result<Answer, Answer> {
        self.listed(self.view.all("groups").cloned().collect(), shown)
    }

    pub(super) async fn create_group(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.sent("groups", body)?;
        let group = self.scope.made("groups", None, members.into())?;
        self.write(vec![Operation::Insert(group.clone())]).await?;
        Ok(Answer::json(201, &shown(&group).into()))
    }

    pub(super) async fn group(&self, body: Body) -> Result<Answer, Answer> {
        let key = self.parameter(0);
        match (self.method, self.group_named(key)) {
            ("PUT", None) => {
                self.check_making()?;
                let mut members = self.sent("groups", body)?;
                let field = if Id::parse(key).uuid().is_some() { "id" } else { "name" };
                members.insert(field.to_owned(), key.into());
                let group = self.scope.made("groups", None, members.into())?;
                self.write(vec![Operation::Insert(group.clone())]).await?;
                Ok(Answer::json(200, &shown(&group).into()))
            }
            ("DELETE", None) => self.scope.pass.absent(None),
            (_, None) => Err(errors::not_found()),
            ("PUT" | "PATCH", Some(known)) => {
                let mut members = self.sent("groups", body)?;
                members.shift_remove("id");
                let group = self.changed(&known, members)?;
                self.write(vec![Operation::Update(group.clone())]).await?;
                Ok(Answer::json(200, &shown(&group).into()))
            }
            ("DELETE", Some(known)) => {
                let roles = self.view.children("group_rbac_roles", "group", &known.id);
                let roles: Vec<Id> = roles.filter_map(|has| has.reference("rbac_role")).collect();
                self.check_reach(&roles).await?;
                self.check_own_group(&known)?;
                self.write(vec![Operation::Delete { entity: "groups", id: known.id.clone() }]).await?;
                Ok(Answer::empty(204))
            }
            (_, Some(known)) => Ok(Answer::json(200, &shown(&known).into())),
        }
    }

    /// Nobody changes the roles of oneself, by way of a group either.
    fn check_own_group(&self, group: &Record) -> Result<(), Answer> {
        let mut members =
            self.view.children("rbac_user_groups", "group", &group.id).filter_map(|place| place.reference("user"));
        match members.any(|user| self.is_self(&user)) {
            true => Err(errors::plain(403, "nobody changes the roles of oneself")),
            false => Ok(()),
        }
    }

    fn shown_link(&self, group: &Record, link: &Record) -> Option<Value> {
        let role = self.view.get("rbac_roles", &link.reference("rbac_role")?)?;
        let workspace = link.reference("workspace")?;
        Some(json!({
            "created_at": link.value.get("created_at"),
            "group": {"id": group.id.to_string(), "name": group.value.get("name"), "comment": group.value.get("comment"), "created_at": group.value.get("created_at")},
            "rbac_role": {"id": role.id.to_string(), "name": role.value.get("name")},
            "workspace": {"id": workspace.to_string()},
        }))
    }

    pub(super) async fn group_roles(&self, body: Body) -> Result<Answer, Answer> {
        let group = self.group_named(self.parameter(0)).ok_or_else(errors::not_found)?;
        let links: Vec<Arc<Record>> = self.view.children("group_rbac_roles", "group", &group.id).cloned().collect();
        if self.method == "GET" {
            let data: Vec<Value> = links.iter().filter_map(|link| self.shown_link(&group, link)).collect();
            return Ok(Answer::json(200, &json!({"data": data, "next": null})));
        }
        let (members, _) = body.into_members();
        let given = |name: &str| {
            let text = members.get(name).or_else(|| query::first(self.query, name)).and_then(Value::as_str);
            let id = text.map(Id::parse).filter(|id| id.uuid().is_some());
            id.ok_or_else(|| errors::schema_violation(schema::Errors::of(name, "required field missing")))
        };
        let (role, workspace) = (given("rbac_role_id")?, given("workspace_id")?);
        let unknown = |what: &str, id: &Id| errors::plain(404, &format!("{what} not found: {id}"));
        let role = self.view.get("rbac_roles", &role).ok_or_else(|| unknown("role", &role))?;
        let place = self.view.get("workspaces", &workspace).ok_or_else(|| unknown("workspace", &workspace))?;
        self.check_reach([&role.id]).await?;
        self.check_own_group(&group)?;
        if !self.scope.pass.manages_roles(place.id.uuid().unwrap_or_default()) {
            return Err(self.forbidden());
        }
        let known = links.iter().find(|link| link.reference("rbac_role").as_ref() == Some(&role.id));
        if self.method == "DELETE" {
            let known = known.ok_or_else(errors::not_found)?;
            self.write(vec![Operation::Delete { entity: "group_rbac_roles", id: known.id.clone() }]).await?;
            return Ok(Answer::empty(204));
        }
        if role.ws != place.id.uuid() {
            return Err(errors::plain(400, "the role does not belong to the workspace"));
        }
        let link = json!({
            "group": {"id": group.id.to_string()},
            "rbac_role": {"id": role.id.to_string()},
            "workspace": {"id": place.id.to_string()},
        });
        let link = self.scope.made("group_rbac_roles", None, link)?;
        let shown = self.shown_link(&group, &link).ok_or_else(errors::unexpected)?;
        self.write(vec![Operation::Insert(link)]).await?;
        Ok(Answer::json(201, &shown))
    }
}
