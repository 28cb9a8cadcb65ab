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
use store::{Error, Filter, Id, Operation, Precondition, Record};
use uuid::Uuid;

/// Names that no workspace may have, besides the first segments of the Admin API's paths.
const RESERVED: [&str; 63] = [
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
    "rbac_user_tokens",
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
    "mtls_auth_credentials",
    "oauth2_authorization_codes",
    "oauth2_credentials",
    "oauth2_tokens",
    "sessions",
    "acme_storage",
    "quota_counters",
    "quota_raises",
    "ratelimiting_metrics",
    // Stands for all workspaces in permissions.
    "*",
    "self",
];

/// How often the removal of a workspace begins anew because something was written meanwhile.
const ATTEMPTS: usize = 20;

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

    pub(super) fn knows(&self, workspace: &Record) -> bool {
        let Some(subject) = self.scope.pass.subject.as_deref() else { return true };
        workspace.id.uuid().is_some_and(|id| !self.gate.settings.endpoints || subject.any_in(id))
    }

    fn named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("workspaces", "name", key, false).filter(|workspace| self.knows(workspace))
    }

    pub(super) async fn list_workspaces(&self) -> Result<Answer, Answer> {
        let visible = self.visible();
        let mut counts = Map::new();
        if query::first(self.query, "counter").and_then(Value::as_str) == Some("true") {
            for workspace in &visible {
                let Some(id) = workspace.id.uuid() else { continue };
                counts.insert(id.to_string(), self.counts(id).await?);
            }
        }
        self.listed(visible, |workspace| {
            let mut body = shown(workspace);
            if let Some(counts) = counts.get(&workspace.id.to_string()) {
                body.insert("counters".to_owned(), counts.clone());
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
            ("DELETE", None) => self.scope.pass.absent(None),
            ("DELETE", Some(known)) => {
                if !self.scope.pass.may(&known, access::Action::Delete) {
                    return Err(self.forbidden());
                }
                self.delete_workspace(&known).await
            }
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
                self.check_making()?;
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
        let admins: Vec<&str> =
            self.view.all("admins").filter(belongs).filter_map(|one| one.text("username")).collect();
        if !admins.is_empty() {
            let text = format!("Workspace has admins that belong to it: {}", admins.join(", "));
            return Err(errors::plain(400, &text));
        }
        let cascade = query::first(self.query, "cascade").and_then(Value::as_str) == Some("true");
        for _ in 0..ATTEMPTS {
            match self.emptied(workspace, id, cascade).await? {
                Ok(()) => return Ok(Answer::empty(204)),
                // Something was written meanwhile, perhaps into this workspace.
                Err(Error::Precondition(_)) => {}
                Err(error) => return Err(errors::store(&error)),
            }
        }
        Err(errors::contended())
    }

    /// Removes a workspace with what is in it, unless something was written since that was looked at.
    async fn emptied(&self, workspace: &Record, id: Uuid, cascade: bool) -> Result<Result<(), Error>, Answer> {
        let revision = self.scope.store.revision().await.map_err(|error| errors::store(&error))?;
        let mut content = Vec::new();
        for rules in self.scope.store.catalog().rules().iter().filter(|rules| rules.workspaced) {
            if !cascade && !NO_CONTENT.contains(&rules.entity) {
                let count = self.scope.store.count(rules.entity, id).await.map_err(|error| errors::store(&error))?;
                if count > 0 {
                    return Err(errors::plain(400, "Workspace is not empty"));
                }
                continue;
            }
            let found = self.scope.store.all(rules.entity, Some(id), Filter::default()).await;
            content.extend(found.map_err(|error| errors::store(&error))?);
        }
        if content.iter().any(|record| !self.scope.pass.may(record, access::Action::Delete)) {
            return Err(self.forbidden());
        }
        let mut operations = ends_of_rights(&self.view, &content);
        // Permissions speak of workspaces by name: another one of this name must not have them.
        let (name, id) = (workspace.text("name"), id.to_string());
        let endpoints = self.view.all("rbac_role_endpoints").filter(|one| one.text("workspace") == name);
        let entities = self.view.all("rbac_role_entities").filter(|one| one.text("entity_id") == Some(&id));
        let removal = |record: &Arc<Record>| Operation::Delete { entity: record.entity, id: record.id.clone() };
        operations.extend(endpoints.chain(entities).map(removal));
        // Children go before what they point to.
        operations.extend(content.iter().rev().map(removal));
        operations.push(Operation::Delete { entity: "workspaces", id: workspace.id.clone() });
        Ok(self.scope.commit(operations, vec![Precondition::Version(revision)]).await.map(drop))
    }

    async fn counts(&self, workspace: Uuid) -> Result<Value, Answer> {
        let mut counts = Map::new();
        for rules in self.scope.store.catalog().rules().iter().filter(|rules| rules.workspaced) {
            let count = self.scope.store.count(rules.entity, workspace).await;
            counts.insert(rules.entity.to_owned(), count.map_err(|error| errors::store(&error))?.into());
        }
        Ok(counts.into())
    }

    pub(super) async fn workspace_meta(&self) -> Result<Answer, Answer> {
        let workspace = self.named(self.parameter(0)).ok_or_else(errors::not_found)?;
        let id = workspace.id.uuid().ok_or_else(errors::not_found)?;
        Ok(Answer::json(200, &json!({"counts": self.counts(id).await?})))
    }
}
