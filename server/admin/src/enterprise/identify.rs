//! Who asks: by a token, by a session, or by name and password.

use super::credentials::fitting;
use super::gate::{Gate, Identity};
use super::trace::Trace;
use crate::errors;
use crate::respond::Answer;
use crate::scope::seconds;
use access::{Cookie, Policy};
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Batch, Id, Operation, Precondition, Record};

/// How exactly the last use of a session is known, at most.
const SEEN: Duration = Duration::from_secs(60);

fn unknown() -> Answer {
    errors::plain(401, "Invalid RBAC credentials")
}

/// One value of a header; two are one too many for what decides on access.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Answer> {
    let mut values = headers.get_all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(unknown());
    }
    first.map(|value| value.to_str().map_err(|_| unknown())).transpose()
}

/// Name and password of a request.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Answer> {
    let Some(value) = only(headers, AUTHORIZATION.as_str())? else { return Ok(None) };
    let Some((scheme, credentials)) = value.split_once(' ') else { return Err(unknown()) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD.decode(credentials.trim()).map_err(|_| unknown())?;
    let text = String::from_utf8(decoded).map_err(|_| unknown())?;
    let (name, password) = text.split_once(':').ok_or_else(unknown)?;
    Ok(Some((name.to_owned(), password.to_owned())))
}

impl Gate {
    /// Who sends a request.
    pub(super) async fn identify(
        &self,
        request: &HttpRequest,
        policy: &Arc<Policy>,
        trace: &mut Trace,
    ) -> Result<Identity, Answer> {
        let headers = request.headers();
        if let Some(token) = only(headers, &self.settings.token_header)? {
            return self.by_token(token, policy).await.map(|subject| (subject, None));
        }
        let name = if self.settings.signs_in() { only(headers, &self.settings.admin_header)? } else { None };
        let Some(name) = name else {
            return Err(errors::plain(401, "Invalid RBAC credentials. Token or User credentials required"));
        };
        if let Some((user, password)) = basic(headers)? {
            if user.to_lowercase() != name.to_lowercase() {
                return Err(unknown());
            }
            let code = super::second_factor::code(headers);
            let admin = self.sign_in(&user, &password, code.as_deref(), &trace.request_id).await?;
            // A directory may have moved them to other groups.
            let policy = if self.settings.directory.is_some() { &self.fresh_policy().await? } else { policy };
            return self.subject_of(&admin, policy).map(|subject| (subject, None));
        }
        self.by_session(request, name, policy, trace).await
    }

    async fn by_token(&self, token: &str, policy: &Arc<Policy>) -> Result<Arc<access::Subject>, Answer> {
        if token.is_empty() {
            return Err(unknown());
        }
        let candidates = policy.candidates(&access::ident(token), seconds());
        let pairs = || candidates.iter().map(|(bearer, hash)| (*bearer, hash.as_str()));
        let bearer = match self.tokens.known(token, pairs()) {
            Some(bearer) => bearer,
            None if candidates.is_empty() => return Err(unknown()),
            None => {
                let (bearer, hash) = fitting(token, candidates.clone()).await.ok_or_else(unknown)?;
                self.tokens.remember(token, bearer, &hash);
                bearer
            }
        };
        policy.bearer(bearer).ok_or_else(unknown)
    }

    /// The user behind an admin that is approved.
    pub(super) fn subject_of(&self, admin: &Record, policy: &Policy) -> Result<Arc<access::Subject>, Answer> {
        let approved = admin.value.get("status").and_then(Value::as_i64) == Some(0);
        let user = admin.reference("rbac_user").and_then(|id| id.uuid()).filter(|_| approved);
        user.and_then(|user| policy.subject(user)).ok_or_else(unknown)
    }

    async fn by_session(
        &self,
        request: &HttpRequest,
        name: &str,
        policy: &Arc<Policy>,
        trace: &mut Trace,
    ) -> Result<Identity, Answer> {
        let Some(session) = self.session(request.headers()).await? else { return Err(unknown()) };
        let admin = session.reference("admin").ok_or_else(unknown)?;
        let admin =
            self.store.get("admins", &admin).await.map_err(|error| errors::store(&error))?.ok_or_else(unknown)?;
        if admin.text("username_lower") != Some(name.to_lowercase().as_str()) {
            return Err(unknown());
        }
        self.check_origin(request)?;
        let subject = self.subject_of(&admin, policy)?;
        self.keep_alive(&session, trace).await;
        Ok((subject, Some(session)))
    }

    /// Refuses a session to pages of others.
    pub(super) fn check_origin(&self, request: &HttpRequest) -> Result<(), Answer> {
        match self.is_own_origin(request) {
            true => Ok(()),
            false => Err(errors::plain(403, "a session is not used from another origin")),
        }
    }

    /// Whether a request comes from a page of the manager, or from no page at all: browsers name the page of what changes
    /// something, and of what is read across origins (Fetch §3.2).
    fn is_own_origin(&self, request: &HttpRequest) -> bool {
        let headers = request.headers();
        if headers.get("Sec-Fetch-Site").is_some_and(|site| site == "cross-site") {
            return false;
        }
        let mut origins = headers.get_all(ORIGIN);
        origins.all(|origin| {
            let Ok(origin) = origin.to_str() else { return false };
            let of_manager = self.settings.manager_urls.iter().any(|url| origin_of(url) == Some(origin));
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            // The manager at its own port of the same host, where no address of it is set.
            let host_of = |text: &str| text.rsplit_once(':').map_or(text.to_owned(), |(host, _)| host.to_owned());
            let near =
                origin.split_once("://").is_some_and(|(_, own)| host.is_some_and(|host| host_of(own) == host_of(host)));
            of_manager || (self.settings.manager_urls.is_empty() && near)
        })
    }

    /// The session that a request's cookie names, when it is not over.
    pub(super) async fn session(&self, headers: &HeaderMap) -> Result<Option<Arc<Record>>, Answer> {
        let cookie = Cookie(&self.settings.session);
        for header in headers.get_all(COOKIE) {
            let Ok(header) = header.to_str() else { continue };
            for value in cookie.values(header) {
                let digest = Value::from(access::digest(value));
                let found = self.store.by_unique("admin_sessions", None, "digest", &digest).await;
                if let Some(session) = found.map_err(|error| errors::store(&error))?
                    && self.lasts(&session)
                {
                    return Ok(Some(session));
                }
            }
        }
        Ok(None)
    }

    fn lasts(&self, session: &Record) -> bool {
        let now = seconds();
        let settings = &self.settings.session;
        let within = |field: &str, limit: Duration| {
            let since = session.value.get(field).and_then(Value::as_i64);
            since.is_some_and(|since| now - since < i64::try_from(limit.as_secs()).unwrap_or(i64::MAX))
        };
        !session.expired(now) && within("started_at", settings.absolute) && within("seen_at", settings.idling)
    }

    /// Notes that a session was used, and replaces its cookie when it is due. A failure is no reason to refuse the request.
    async fn keep_alive(&self, session: &Arc<Record>, trace: &mut Trace) {
        let now = seconds();
        let settings = &self.settings.session;
        let of = |field: &str| session.value.get(field).and_then(Value::as_i64).unwrap_or(now);
        let rolling = i64::try_from(settings.rolling.as_secs()).unwrap_or(i64::MAX);
        let seen = i64::try_from(SEEN.min(settings.idling / 4).as_secs()).unwrap_or(0);
        let rolls = now - of("created_at") >= rolling;
        if !rolls && now - of("seen_at") < seen {
            return;
        }
        let mut operations = Vec::new();
        let mut old = (**session).clone();
        let mut cookie = None;
        if rolls {
            let (Some(secret), Some(admin)) = (access::random(), session.reference("admin")) else { return };
            let Ok(record) = self.new_session(&admin, &secret, of("started_at")) else { return };
            operations.push(Operation::Insert(record));
            cookie = Some(Cookie(settings).set(&secret));
            old.expires = Some(now + i64::try_from(settings.stale.as_secs()).unwrap_or(10));
        } else {
            old.value.insert("seen_at".to_owned(), now.into());
        }
        operations.push(Operation::Update(old));
        let batch = Batch {
            operations,
            preconditions: vec![Precondition::Unchanged(session.clone())],
            author: "session".to_owned(),
            request_id: trace.request_id.clone(),
        };
        match self.store.apply(batch).await {
            Ok(_) => trace.cookie = cookie,
            // Another request was first.
            Err(store::Error::Precondition(_) | store::Error::Missing { .. }) => {}
            Err(error) => tracing::warn!(%error, "the use of a session could not be noted"),
        }
    }

    /// A session of an admin.
    pub(super) fn new_session(&self, admin: &Id, secret: &str, started: i64) -> Result<Record, Answer> {
        let now = seconds();
        let value = json!({
            "admin": {"id": admin.to_string()},
            "digest": access::digest(secret),
            "started_at": started,
            "seen_at": now,
        });
        let mut record = super::made(&self.kinds, "admin_sessions", None, value)?;
        let absolute = i64::try_from(self.settings.session.absolute.as_secs()).unwrap_or(i64::MAX);
        record.expires = Some(started.saturating_add(absolute));
        Ok(record)
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> Option<&str> {
    let after = url.find("://")? + 3;
    let end = url[after..].find('/').map_or(url.len(), |at| after + at);
    Some(&url[..end])
}
