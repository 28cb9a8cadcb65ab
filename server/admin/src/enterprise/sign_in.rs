//! Signing in with name and password: limits, the session, signing out, who one is.

use super::gate::Gate;
use super::settings::Attempts;
use super::{Call, made};
use crate::errors;
use crate::query;
use crate::respond::Answer;
use crate::scope::seconds;
use access::Cookie;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Batch, Error, Operation, Record};

/// A slow hash of nothing anyone knows: whoever is unknown takes as long as whoever is known.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2lsdmVyYmFja3NhbHQ$ZfC2c0JAMsUGmJcrfNbRQTXQwlDqC7pZ0Wf3m0PMkIE";

/// Refused as if the password were wrong, whatever the reason.
pub(super) fn refused() -> Answer {
    errors::plain(401, "Invalid authentication credentials")
}

/// The admin, where this is its password.
async fn known_here(admin: Option<Arc<Record>>, password: &str) -> Option<Arc<Record>> {
    let hash = admin.as_ref().and_then(|admin| admin.text("password")).map(str::to_owned);
    let approved = admin.as_ref().is_some_and(|admin| admin.value.get("status").and_then(Value::as_i64) == Some(0));
    let known = hash.is_some() && approved && !password.is_empty();
    let (hash, password) = (hash.unwrap_or_else(|| NOBODY.to_owned()), password.to_owned());
    let fits = actix_web::web::block(move || access::verify(&password, &hash)).await.unwrap_or(false);
    admin.filter(|_| known && fits)
}

impl Gate {
    /// The admin with this name and password, and with this one-time code where it has a second factor.
    pub(super) async fn sign_in(&self, name: &str, password: &str, code: Option<&str>) -> Result<Arc<Record>, Answer> {
        let name = name.to_lowercase();
        if !self.backoff.wait(&name).await {
            return Err(refused());
        }
        let admin = match self.proven(&name, password).await {
            Ok(admin) => self.check_second(&admin, code).await.map(|()| admin),
            Err(refused) => Err(refused),
        };
        match &admin {
            Ok(_) => self.backoff.succeeded(&name),
            Err(_) => self.backoff.failed(&name),
        }
        admin
    }

    async fn proven(&self, name: &str, password: &str) -> Result<Arc<Record>, Answer> {
        let found = self.store.by_unique("admins", None, "username_lower", &name.into()).await;
        let admin = found.map_err(|error| errors::store(&error))?;
        let proven = match &self.settings.directory {
            Some(directory) => self.known_there(directory, admin.clone(), name, password).await?,
            None => known_here(admin.clone(), password).await,
        };
        let Some(admin) = admin else { return Err(refused()) };
        let limits = self.settings.login_attempts;
        let attempts = self.failures(&admin, "login").await?;
        if limits.limit.is_some_and(|limit| attempts.as_ref().map_or(0, |(_, count)| *count) >= limit) {
            return Err(refused());
        }
        if let Some(proven) = proven {
            self.forgive(attempts).await?;
            return Ok(proven);
        }
        self.count_failure(&admin, "login", limits, attempts).await?;
        Err(refused())
    }

    /// How often something failed since it last succeeded.
    pub(super) async fn failures(&self, admin: &Record, what: &str) -> Result<Option<(Arc<Record>, u64)>, Answer> {
        let query = store::Query {
            entity: "login_attempts",
            ws: None,
            after: None,
            size: 10,
            filter: store::Filter { reference: Some(("admin", admin.id.clone())), tags: None },
        };
        let page = self.store.page(&query).await.map_err(|error| errors::store(&error))?;
        let found = page.records.into_iter().find(|record| record.text("attempt_type") == Some(what));
        Ok(found.map(|record| {
            let count = record.value.get("attempts").and_then(Value::as_u64).unwrap_or(0);
            (record, count)
        }))
    }

    /// Counts a failure, where failures are limited.
    pub(super) async fn count_failure(
        &self,
        admin: &Record,
        what: &str,
        limits: Attempts,
        before: Option<(Arc<Record>, u64)>,
    ) -> Result<(), Answer> {
        if limits.limit.is_none() {
            return Ok(());
        }
        let ends = seconds().saturating_add(i64::try_from(limits.ttl.as_secs()).unwrap_or(i64::MAX));
        let operation = match before {
            Some((record, count)) => {
                let mut record = (*record).clone();
                record.value.insert("attempts".to_owned(), (count + 1).into());
                record.expires = Some(ends);
                Operation::Update(record)
            }
            None => {
                let value = json!({"admin": {"id": admin.id.to_string()}, "attempt_type": what, "attempts": 1});
                let mut record = made(&self.kinds, "login_attempts", None, value)?;
                record.expires = Some(ends);
                Operation::Insert(record)
            }
        };
        let batch = Batch { operations: vec![operation], author: "sign-in".to_owned(), ..Batch::default() };
        match self.store.apply(batch).await {
            // Two first failures at once: one is counted.
            Ok(_) | Err(Error::Unique { .. } | Error::Missing { .. }) => Ok(()),
            Err(error) => Err(errors::store(&error)),
        }
    }

    pub(super) async fn forgive(&self, before: Option<(Arc<Record>, u64)>) -> Result<(), Answer> {
        let Some((record, _)) = before else { return Ok(()) };
        let operations = vec![Operation::Delete { entity: "login_attempts", id: record.id.clone() }];
        let batch = Batch { operations, author: "sign-in".to_owned(), ..Batch::default() };
        self.store.apply(batch).await.map(drop).map_err(|error| errors::store(&error))
    }

    /// Ends all sessions of an admin.
    pub(super) async fn sessions_of(&self, admin: &Record) -> Result<Vec<Operation>, Error> {
        let filter = store::Filter { reference: Some(("admin", admin.id.clone())), tags: None };
        let sessions = self.store.all("admin_sessions", None, filter).await?;
        let end = |one: &Arc<Record>| Operation::Delete { entity: "admin_sessions", id: one.id.clone() };
        Ok(sessions.iter().map(end).collect())
    }
}

impl Call<'_> {
    /// `GET /auth`: a session for name and password, or for whoever has one already.
    pub(super) async fn auth(&self) -> Result<Answer, Answer> {
        let gate = self.gate;
        let headers = self.request.headers();
        let mut names = headers.get_all(&gate.settings.admin_header);
        let name = names.next().and_then(|name| name.to_str().ok()).filter(|name| !name.is_empty());
        let (Some(name), None, true) = (name, names.next(), gate.settings.signs_in()) else { return Err(refused()) };
        let Some((user, password)) = super::identify::basic(headers)? else {
            let session = gate.session(headers).await?.ok_or_else(refused)?;
            let admin = session.reference("admin").ok_or_else(refused)?;
            let admin = gate.store.get("admins", &admin).await.map_err(|error| errors::store(&error))?;
            let admin = admin.filter(|admin| admin.text("username_lower") == Some(name.to_lowercase().as_str()));
            gate.subject_of(&*admin.ok_or_else(refused)?, &self.policy)?;
            return Ok(Answer::empty(200));
        };
        if user.to_lowercase() != name.to_lowercase() {
            return Err(refused());
        }
        let code = super::second_factor::code(headers);
        let admin = gate.sign_in(&user, &password, code.as_deref()).await?;
        let subject = gate.subject_of(&admin, &*gate.fresh_policy().await?)?;
        let secret = access::random().ok_or_else(errors::unexpected)?;
        let record = gate.new_session(&admin.id, &secret, seconds())?;
        let batch = Batch {
            operations: vec![Operation::Insert(record)],
            author: subject.name.clone(),
            request_id: self.scope.request_id.to_owned(),
            ..Batch::default()
        };
        gate.store.apply(batch).await.map_err(|error| errors::store(&error))?;
        Ok(Answer::json_text(200, "").with("Set-Cookie", Cookie(&gate.settings.session).set(&secret)))
    }

    /// `DELETE /auth`: the session is over, with `?all=true` every session of the admin.
    pub(super) async fn sign_out(&self) -> Result<Answer, Answer> {
        let gate = self.gate;
        let done = Answer::json_text(200, "").with("Set-Cookie", Cookie(&gate.settings.session).clear());
        let Some(session) = gate.session(self.request.headers()).await? else { return Ok(done) };
        let everywhere = query::first(self.query, "all").and_then(Value::as_str) == Some("true");
        let mut operations = vec![Operation::Delete { entity: "admin_sessions", id: session.id.clone() }];
        if everywhere
            && let Some(admin) = session.reference("admin")
            && let Some(admin) = gate.store.get("admins", &admin).await.map_err(|error| errors::store(&error))?
        {
            operations = gate.sessions_of(&admin).await.map_err(|error| errors::store(&error))?;
        }
        let batch = Batch {
            operations,
            author: "sign-out".to_owned(),
            request_id: self.scope.request_id.to_owned(),
            ..Batch::default()
        };
        gate.store.apply(batch).await.map_err(|error| errors::store(&error))?;
        Ok(done)
    }

    /// `GET /userinfo`
    pub(super) async fn userinfo(&self) -> Result<Answer, Answer> {
        let subject = self.scope.pass.subject.as_deref();
        let admin = subject.and_then(|subject| subject.admin.as_ref()).ok_or_else(errors::not_found)?;
        let view = self.policy.view();
        let user = subject.map(|subject| store::Id::Uuid(subject.id)).ok_or_else(errors::not_found)?;
        let record = view.get("admins", &store::Id::Uuid(admin.id)).ok_or_else(errors::not_found)?;
        let groups: Vec<Value> = view
            .children("rbac_user_groups", "user", &user)
            .filter_map(|place| view.get("groups", &place.reference("group")?))
            .map(|group| Value::Object(group.value.clone()))
            .collect();
        let workspaces: Vec<Value> = self.workspaces_of(&user).into_iter().map(Value::Object).collect();
        let mut body = Map::new();
        body.insert("admin".to_owned(), super::admins::shown(record).into());
        body.insert("groups".to_owned(), groups.into());
        body.insert("permissions".to_owned(), self.permissions(&self.roles_of(&user)));
        let session =
            self.scope.pass.session.as_deref().map(
                |session| json!({"expires": session.expires, "cookie": {"name": self.gate.settings.session.name}}),
            );
        body.insert("session".to_owned(), session.unwrap_or(Value::Null));
        body.insert("workspaces".to_owned(), workspaces.into());
        Ok(Answer::json(200, &Value::Object(body)))
    }
}
