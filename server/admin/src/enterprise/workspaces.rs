//! `/workspaces`

use super::desk::{Call, without};
use super::pass::ends_of_rights;
use crate::body::Body;
use crate::errors;
use crate::query;
use crate::respond::Answer;
use entities::DEFAULT_WORKSPACE;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Record};
use uuid::Uuid;

/// Names that no workspace may have, besides the first segments of the Admin API's paths.
const RESERVED: [&str; 59] = [
    "admins",
    "applications",
    "application_instances",
    "audit_objects",
    "audit_requests",
    "ca_certificates",
    "certificates",
    "clustering_data_planes",
    "consumer_group_consumers",
    "consumer_group_plugins",
    "consumer_groups",
    "consumer_reset_secrets",
    "consumers",
    "credentials",
    "developers",
    "document_objects",
    "event_hooks",
    "filter_chains",
    "files",
    "group_rbac_roles",
    "groups",
    "key_sets",
    "keyring_keys",
    "keyring_meta",
    "keys",
    "licenses",
    "legacy_files",
    "login_attempts",
    "parameters",
    "plugins",
    "rbac_role_endpoints",
    "rbac_role_entities",
    "rbac_roles",
    "rbac_user_groups",
    "rbac_user_roles",
    "rbac_users",
    "routes",
    "services",
    "snis",
    "tags",
    "targets",
    "upstreams",
    "vaults",
    "workspaces",
    "workspace_entity_counters",
    "admin_sessions",
    "acls",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "keyauth_credentials",
    "oauth2_authorization_codes",
    "oauth2_credentials",
    "oauth2_tokens",
    "sessions",
    "acme_storage",
    "ratelimiting_metrics",
    // Stands for all workspaces in permissions.
    "*",
    "self",
];

/// Kinds that do not make a workspace full: what every user and role brings with it.
const NO_CONTENT: [&str; 2] = ["rbac_roles", "rbac_users"];

fn shown(record: &Record) -> Map<String, Value> {
    without(record, &[])
}

impl Call<'_> {
    /// The workspaces that the one who asks has anything to do with.
    fn visible(&self) -> Vec<Arc<Record>> {
        let all = self.view.all("workspaces");
        all.filter(|workspace| self.knows(workspace)).cloned().collect()
    }

    fn knows(&self, workspace: &Record) -> bool {
        let Some(subject) = self.scope.pass.subject.as_deref() else { return true };
        workspace.id.uuid().is_some_and(|id| !self.gate.settings.endpoints || subject.endpoints.any_in(id))
    }

    fn named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("workspaces", "name", key, false).filter(|workspace| self.knows(workspace))
    }

    pub(super) fn list_workspaces(&self) -> Result<Answer, Answer> {
        let counts = query::first(self.query, "counter").and_then(Value::as_str) == Some("true");
        self.listed(self.visible(), |workspace| {
            let mut body = shown(workspace);
            if let (true, Some(id)) = (counts, workspace.id.uuid()) {
                body.insert("counters".to_owned(), self.counts(id));
            }
            body
        })
    }

    fn check_name(&self, name: Option<&Value>) -> Result<(), Answer> {
        let Some(name) = name.and_then(Value::as_str) else { return Ok(()) };
        let begins = self.scope.admin_paths.begins(name.as_bytes());
        if RESERVED.contains(&name) || begins || name == "." || name == ".." || Uuid::try_parse(name).is_ok() {
            let text = format!("must not be one of: {}", RESERVED.join(", "));
            return Err(errors::schema_violation(schema::Errors::of("name", text)));
        }
        Ok(())
    }

    pub(super) async fn create_workspace(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.sent("workspaces", body)?;
        let record = self.scope.made("workspaces", None, members.into())?;
        self.check_name(record.value.get("name"))?;
        self.write(vec![Operation::Insert(record.clone())]).await?;
        Ok(Answer::json(201, &shown(&record).into()))
    }

    pub(super) async fn workspace(&self, body: Body) -> Result<Answer, Answer> {
        let key = self.parameter(0);
        let known = self.named(key);
        match (self.method, known) {
            ("PUT", known) => self.put_workspace(key, known, body).await,
            ("PATCH", Some(known)) => {
                let members = self.sent("workspaces", body)?;
                if members.get("name").is_some_and(|name| Some(name) != known.value.get("name")) {
                    let text = "workspace name cannot be changed";
                    return Err(errors::schema_violation(schema::Errors::of("name", text)));
                }
                let record = self.changed(&known, members)?;
                self.write(vec![Operation::Update(record.clone())]).await?;
                Ok(Answer::json(200, &shown(&record).into()))
            }
            ("DELETE", None) => Ok(Answer::empty(204)),
            ("DELETE", Some(known)) => self.delete_workspace(&known).await,
            (_, None) => Err(errors::not_found()),
            (_, Some(known)) => Ok(Answer::json(200, &shown(&known).into())),
        }
    }

    async fn put_workspace(&self, key: &str, known: Option<Arc<Record>>, body: Body) -> Result<Answer, Answer> {
        let mut members = self.sent("workspaces", body)?;
        let (id, name) = match &known {
            Some(known) => (known.id.to_string(), known.value.get("name").cloned()),
            None if Id::parse(key).uuid().is_some() => (key.to_owned(), None),
            None => (entities::random_uuid(), Some(key.into())),
        };
        if let (Some(_), Some(name), Some(given)) = (&known, &name, members.get("name"))
            && name != given
        {
            let text = "workspace name cannot be changed";
            return Err(errors::schema_violation(schema::Errors::of("name", text)));
        }
        members.insert("id".to_owned(), id.into());
        if let Some(name) = name {
            members.insert("name".to_owned(), name);
        }
        if let Some(created) = known.as_ref().and_then(|known| known.value.get("created_at")) {
            members.insert("created_at".to_owned(), created.clone());
        }
        let record = self.scope.made("workspaces", None, members.into())?;
        let operation = match known {
            Some(_) => Operation::Update(record.clone()),
            None => {
                self.check_name(record.value.get("name"))?;
                Operation::Insert(record.clone())
            }
        };
        self.write(vec![operation]).await?;
        Ok(Answer::json(200, &shown(&record).into()))
    }

    async fn delete_workspace(&self, workspace: &Record) -> Result<Answer, Answer> {
        let Some(id) = workspace.id.uuid() else { return Err(errors::not_found()) };
        if id == DEFAULT_WORKSPACE {
            return Err(errors::plain(400, "the default workspace cannot be deleted"));
        }
        let belongs = |admin: &&Arc<Record>| admin.reference("belong_workspace").as_ref() == Some(&workspace.id);
        let admins: Vec<&str> = self.view.all("admins").filter(belongs).filter_map(|one| one.text("username")).collect();
        if !admins.is_empty() {
            let text = format!("Workspace has admins that belong to it: {}", admins.join(", "));
            return Err(errors::plain(400, &text));
        }
        let content: Vec<Arc<Record>> = self
            .view
            .catalog()
            .rules()
            .iter()
            .filter(|rules| rules.workspaced)
            .flat_map(|rules| self.view.all(rules.entity).filter(|record| record.ws == Some(id)).cloned())
            .collect();
        let cascade = query::first(self.query, "cascade").and_then(Value::as_str) == Some("true");
        if !cascade && content.iter().any(|record| !NO_CONTENT.contains(&record.entity)) {
            return Err(errors::plain(400, "Workspace is not empty"));
        }
        let mut operations = ends_of_rights(&self.view, &content);
        // Permissions speak of workspaces by name: another one of this name must not have them.
        let name = workspace.text("name");
        operations.extend(
            self.view
                .all("rbac_role_endpoints")
                .filter(|permission| permission.text("workspace") == name)
                .map(|permission| Operation::Delete { entity: "rbac_role_endpoints", id: permission.id.clone() }),
        );
        let own = self.view.all("rbac_role_entities").filter(|one| one.text("entity_id") == Some(&*id.to_string()));
        operations.extend(
            own.map(|permission| Operation::Delete { entity: "rbac_role_entities", id: permission.id.clone() }),
        );
        // Children go before what they point to.
        operations.extend(
            content.iter().rev().map(|record| Operation::Delete { entity: record.entity, id: record.id.clone() }),
        );
        operations.push(Operation::Delete { entity: "workspaces", id: workspace.id.clone() });
        self.write(operations).await?;
        Ok(Answer::empty(204))
    }

    fn counts(&self, workspace: Uuid) -> Value {
        let mut counts = Map::new();
        for rules in self.view.catalog().rules().iter().filter(|rules| rules.workspaced) {
            let mine = |record: &&Arc<Record>| record.ws == Some(workspace) && self.scope.pass.lists(record);
            counts.insert(rules.entity.to_owned(), self.view.all(rules.entity).filter(mine).count().into());
        }
        counts.into()
    }

    pub(super) fn workspace_meta(&self) -> Result<Answer, Answer> {
        let workspace = self.named(self.parameter(0)).ok_or_else(errors::not_found)?;
        let id = workspace.id.uuid().ok_or_else(errors::not_found)?;
        Ok(Answer::json(200, &json!({"counts": self.counts(id)})))
    }
}
