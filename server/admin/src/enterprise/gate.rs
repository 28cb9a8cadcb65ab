//! The one place where it is decided whether a request of the Admin API goes on. Every request of that door passes here, on
//! its parsed and normalised form, before any handler is chosen; what no permission allows is refused.

use super::backoff::Backoff;
use super::desk::Desk;
use super::hooks::Ear;
use super::pass::Pass;
use super::recorder::Recorder;
use super::settings::GateSettings;
use super::trace::{About, Trace};
use crate::errors;
use crate::paths::{Endpoint, Match, Paths};
use crate::request::Target;
use crate::respond::Answer;
use access::{Action, Policies, Policy, Subject, Tokens};
use actix_web::HttpRequest;
use declarative::Kinds;
use entities::DEFAULT_WORKSPACE;
use std::sync::Arc;
use store::{Error, Record, Revision, Store};
use uuid::Uuid;

/// What a request needs besides being understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: it proves who asks, or tells nothing.
    Nothing,
    /// Someone who is known.
    Anyone,
    /// Someone with a permission.
    Permission,
}

/// Why a gate cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// RBAC is on and there is no user: nobody could use the Admin API.
    #[error(
        "enforce_rbac is on, and the database has no user who could use the Admin API: set KONG_PASSWORD to the password of \
         the first super admin (kong_admin) and start again or run `silverback migrations bootstrap`; or set enforce_rbac = off"
    )]
    Nobody,
}

/// Whether there is anyone who could come in: with a token or a password.
fn has_way_in(policy: &Policy) -> bool {
    let view = policy.view();
    let enabled = view.all("rbac_users").any(|user| user.value.get("enabled") == Some(&serde_json::Value::Bool(true)));
    enabled && view.count("rbac_user_roles") > 0
}

/// Who is let in to the Admin API of a node with a database.
pub struct Gate {
    pub(super) settings: GateSettings,
    pub(super) kinds: Arc<Kinds>,
    pub(super) store: Arc<dyn Store>,
    pub(super) tokens: Tokens,
    pub(crate) recorder: Recorder,
    pub(super) backoff: Backoff,
    pub(super) ear: Option<Ear>,
    policies: Arc<Policies>,
}

impl Gate {
    /// Opens it. Needs a runtime: entries of the audit log and events are written beside requests.
    ///
    /// # Errors
    /// When the store cannot be read or a setting cannot be used.
    pub async fn open(mut settings: GateSettings, kinds: Arc<Kinds>, store: Arc<dyn Store>) -> Result<Gate, GateError> {
        let policies = Arc::new(Policies::of(store.clone()).await?);
        let tokens = Tokens::new().ok_or_else(|| GateError::Setting("the system gives no random bits".to_owned()))?;
        let audit = settings.audit.take();
        let recorder = Recorder::start(&settings, kinds.clone(), store.clone(), audit).map_err(GateError::Setting)?;
        if (settings.endpoints || settings.entities) && !has_way_in(policies.now().await?.as_ref()) {
            return Err(GateError::Nobody);
        }
        let ear = recorder.hooks().map(|hooks| Ear::open(hooks.clone(), policies.clone()));
        Ok(Gate { settings, kinds, store, tokens, recorder, backoff: Backoff::default(), ear, policies })
    }

    /// What holds now.
    pub(super) async fn fresh_policy(&self) -> Result<Arc<Policy>, Answer> {
        self.policies.now().await.map_err(|error| errors::store(&error))
    }

    /// Whether anybody wants to know of changes.
    pub fn heeds_changes(&self) -> bool {
        self.recorder.heeds_changes()
    }

    /// Notes and tells what somebody beside the Admin API has written: a plugin.
    pub async fn wrote(&self, revision: Revision, author: String) {
        let policy = self.policies.now().await.ok();
        self.recorder.changed(revision, policy.as_ref().map(|policy| policy.view()), (None, Some(author)), "").await;
    }

    /// Whether someone must be known at all.
    pub(crate) fn enforces(&self) -> bool {
        self.settings.endpoints || self.settings.entities
    }

    /// Where a request goes: the workspace that its first segment names, and the path within. What is no path of the Admin API
    /// is taken for a workspace, so that one that does not exist is answered like one that may not be known.
    fn target(&self, request: &HttpRequest, policy: &Policy, paths: &Paths) -> Result<Target, Answer> {
        let raw = request.uri().path();
        let mut segments = access::segments(raw).ok_or_else(|| errors::plain(400, "Bad request"))?;
        let path = raw.strip_suffix('/').unwrap_or(raw).to_owned();
        let plain = |segments| Target {
            workspace: Some(DEFAULT_WORKSPACE),
            prefix: String::new(),
            path: path.clone(),
            segments,
        };
        let Some(first) = segments.first() else { return Ok(plain(segments)) };
        if paths.begins(first) {
            return Ok(plain(segments));
        }
        let name = std::str::from_utf8(first).ok();
        let workspace = name.and_then(|name| policy.workspace(name)).and_then(|workspace| workspace.id.uuid());
        let prefix = format!("/{}", crate::query::escape(name.unwrap_or_default()));
        segments.remove(0);
        Ok(Target { workspace, prefix, path, segments })
    }

    /// Decides on a request: where it goes and how far, or why it does not go on.
    pub(crate) async fn decide(
        &self,
        request: &HttpRequest,
        paths: &Paths,
        trace: &mut Trace,
    ) -> Result<(Target, Pass), Answer> {
        if is_preflight(request) {
            return Err(preflight(request));
        }
        let policy = self.fresh_policy().await?;
        let mut target = self.target(request, &policy, paths)?;
        // Who proves who it is learns nothing of workspaces: it is the same below every name.
        if self.enforces() && need(request.method().as_str(), &target) == Need::Nothing {
            target.workspace = target.workspace.or(Some(DEFAULT_WORKSPACE));
        }
        trace.workspace = target.workspace;
        let pass = self.admit(request, &target, paths, &policy, trace).await?;
        match target.workspace {
            Some(_) => Ok((target, pass)),
            None => Err(errors::not_found()),
        }
    }

    /// Notes how a request went, and names it in its answer.
    pub(crate) async fn finish(&self, request: &HttpRequest, trace: Trace, mut answer: Answer) -> Answer {
        self.recorder.request(request, &trace, answer.status).await;
        if let Some(cookie) = trace.cookie {
            answer = answer.with("Set-Cookie", cookie);
        }
        answer.with("X-Kong-Admin-Request-ID", trace.request_id)
    }

    /// Whether who asks has to do with the workspace that a path names. One that is not there is like one that is not known.
    fn is_known_to(&self, subject: &Subject, target: &Target) -> bool {
        target.workspace.is_some_and(|workspace| {
            workspace == DEFAULT_WORKSPACE || !self.settings.endpoints || subject.any_in(workspace)
        })
    }

    /// Lets a request in, or says why not.
    async fn admit(
        &self,
        request: &HttpRequest,
        target: &Target,
        paths: &Paths,
        policy: &Arc<Policy>,
        trace: &mut Trace,
    ) -> Result<Pass, Answer> {
        let method = request.method().as_str();
        let action = Action::of_method(method);
        let found = paths.find(&target.segments);
        trace.about = found.as_ref().and_then(|found| About::of(found, &self.kinds));
        let place = place(target, found.as_ref().map(|found| found.endpoint), action.unwrap_or(Action::Read));
        let mut pass = Pass {
            subject: None,
            endpoints: false,
            place,
            policy: Some(policy.clone()),
            entities: self.settings.entities,
            action: action.unwrap_or(Action::Read),
            is_put: method == "PUT",
            segments: target.segments.clone(),
            session: None,
        };
        if !self.enforces() {
            pass.entities = false;
            return Ok(pass);
        }
        let need = need(method, target);
        if need == Need::Nothing {
            return Ok(pass);
        }
        let (subject, session) = self.identify(request, policy, trace).await?;
        trace.subject = Some(subject.clone());
        pass.session = session;
        if need == Need::Anyone && !self.is_known_to(&subject, target) {
            return Err(errors::not_found());
        }
        // Nothing has such a method.
        let action = action.ok_or_else(errors::method_not_allowed)?;
        if action != Action::Read && subject.by_token && is_beyond_tokens(&subject, target) {
            return Err(forbidden(&subject, action));
        }
        let narrowed = subject.is_narrowed();
        // A scope counts whatever counts of its user's permissions. Where those on endpoints do not, they do for the past.
        let managed = is_management(&target.segments) || changes_extension(found.as_ref(), action);
        let counts = self.settings.endpoints || managed || (narrowed && is_history(target));
        let entities = self.settings.entities;
        let all = counts && entities;
        let subject = if narrowed && !all { Arc::new(subject.counting(counts, entities)) } else { subject };
        if need == Need::Permission && (counts || narrowed) {
            let others = found.as_ref().and_then(|found| otherwise(found, &self.kinds));
            if !is_allowed(&subject, place, &target.segments, others.as_deref(), action) {
                return Err(forbidden(&subject, action));
            }
        }
        pass.endpoints = self.settings.endpoints || narrowed;
        pass.entities = entities || narrowed;
        pass.subject = Some(subject);
        Ok(pass)
    }
}

/// Whether a browser asks what another page may do, which it does without credentials.
fn is_preflight(request: &HttpRequest) -> bool {
    let has = |name: &str| request.headers().contains_key(name);
    request.method().as_str() == "OPTIONS" && has("Origin") && has("Access-Control-Request-Method")
}

/// The same for every path: it tells nothing of what is there.
fn preflight(request: &HttpRequest) -> Answer {
    let headers = request.headers().get("Access-Control-Request-Headers").and_then(|value| value.to_str().ok());
    Answer::empty(204)
        .with("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
        .with("Access-Control-Allow-Headers", headers.unwrap_or("Content-Type"))
}

/// Kong's sentence.
pub(super) fn forbidden(subject: &Subject, action: Action) -> Answer {
    let text = format!("{}, you do not have permissions to {} this resource", subject.name, action.name());
    errors::plain(403, &text)
}

/// What a request needs.
fn need(method: &str, target: &Target) -> Need {
    let path: Vec<&[u8]> = target.segments.iter().map(Vec::as_slice).collect();
    match (method, path.as_slice()) {
        ("GET" | "HEAD", [b"status"]) if target.prefix.is_empty() => Need::Nothing,
        ("GET" | "DELETE", [b"auth"])
        | ("POST", [b"admins", b"register"])
        | ("POST" | "PATCH", [b"admins", b"password_resets"]) => Need::Nothing,
        ("GET" | "HEAD", [b"userinfo"])
        | ("PATCH", [b"admins", b"self", b"password" | b"token"])
        | ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE", [b"admins", b"self", b"totp"])
        | ("GET" | "HEAD" | "POST", [b"admins", b"self", b"tokens"])
        | ("GET" | "HEAD" | "DELETE", [b"admins", b"self", b"tokens", _]) => Need::Anyone,
        _ => Need::Permission,
    }
}

/// The workspace whose permissions count. What belongs to no workspace is not reached by the permissions of one through its
/// prefix: workspaces and event hooks are changed by who may do so in all of them, other things of the node in `default`.
fn place(target: &Target, endpoint: Option<&Endpoint>, action: Action) -> Option<Uuid> {
    let Some(first) = target.segments.first() else { return target.workspace };
    let writes = action != Action::Read;
    match first.as_slice() {
        // What a file would change is a question to one workspace.
        b"config" if target.segments.get(1).is_some_and(|second| second == b"plan") => target.workspace,
        // Of a workspace's own Routes.
        b"debug" if is_route_match(&target.segments) => target.workspace,
        b"workspaces" if writes => None,
        b"event-hooks" => None,
        b"groups" | b"debug" | b"cache" | b"config" | b"clustering" | b"nodes" | b"timers" | b"metrics" => {
            Some(DEFAULT_WORKSPACE)
        }
        b"ca_certificates" if writes => Some(DEFAULT_WORKSPACE),
        _ => match endpoint {
            Some(Endpoint::Extension { .. }) => Some(DEFAULT_WORKSPACE),
            _ => target.workspace,
        },
    }
}

/// Whether a path manages who may do what, which endpoint permissions decide even where they count for nothing else.
pub(super) fn is_management(segments: &[Vec<u8>]) -> bool {
    const PATHS: [&[u8]; 9] =
        [b"rbac", b"admins", b"groups", b"audit", b"event-hooks", b"workspaces", b"debug", b"cache", b"config"];
    segments.first().is_some_and(|first| PATHS.contains(&first.as_slice())) && !is_route_match(segments)
}

/// Whether a path asks what would become of a request.
fn is_route_match(segments: &[Vec<u8>]) -> bool {
    matches!(segments, [first, second] if first == b"debug" && second == b"route-match")
}

/// Whether a request changes something at a path of a plugin's own, which no permission on entities speaks of.
fn changes_extension(found: Option<&Match<'_, '_>>, action: Action) -> bool {
    action != Action::Read && found.is_some_and(|found| matches!(found.endpoint, Endpoint::Extension { .. }))
}

/// Whether a path tells of the past.
fn is_history(target: &Target) -> bool {
    target.segments.first().is_some_and(|first| first == b"revisions")
}

/// Whether a path changes what a token must not change, lest it outlives or outgrows itself: one's own ways in, tokens, and for
/// one with a scope everything that says who may do what.
fn is_beyond_tokens(subject: &Subject, target: &Target) -> bool {
    let path: Vec<&[u8]> = target.segments.iter().map(Vec::as_slice).collect();
    match path.as_slice() {
        [b"admins", b"self", ..] | [b"admins", _, b"tokens", ..] | [b"rbac", b"users", _, b"tokens", ..] => true,
        [b"rbac" | b"admins" | b"groups", ..] => subject.is_narrowed(),
        _ => false,
    }
}

/// The deepest address of a permission that its role's other permissions are sure to have in mind: the endpoint at its end is
/// one thing, however many segments it has.
const PERMISSION: usize = 6;

/// Whether a request's path is allowed, under this and every other name that what it leads to has.
fn is_allowed(
    subject: &Subject,
    place: Option<Uuid>,
    segments: &[Vec<u8>],
    others: Option<&[Vec<u8>]>,
    action: Action,
) -> bool {
    let (verdict, is_named) = subject.decision(place, segments, action);
    if !verdict.is_allowed() {
        return false;
    }
    let is_permission = segments.len() > PERMISSION && segments[0] == b"rbac";
    if is_permission && !subject.at(place, &segments[..PERMISSION], action).is_allowed() {
        return false;
    }
    // Who is denied a collection does not reach it below its parents, unless a permission names that very path.
    is_named || !others.is_some_and(|other| subject.forbids(place, other, action))
}

/// The path by which what a request leads to is known at the top. Of an entity whose key the path does not hold, an empty
/// segment stands for the key: it is matched by stars alone.
fn otherwise(found: &Match<'_, '_>, kinds: &Kinds) -> Option<Vec<Vec<u8>>> {
    let top = |kind: usize| {
        let kind = kinds.get(kind);
        kind.path.unwrap_or(kind.name).as_bytes().to_vec()
    };
    let parameter = |index: usize| found.parameters.get(index).map(|segment| segment.to_vec()).unwrap_or_default();
    Some(match *found.endpoint {
        Endpoint::Nested { kind, .. } | Endpoint::AllTargets { kind, .. } => vec![top(kind)],
        Endpoint::NestedEntity { kind, .. } | Endpoint::TargetHealth { kind, .. } => vec![top(kind), parameter(1)],
        Endpoint::Foreign { target, .. } => vec![top(target), Vec::new()],
        Endpoint::Desk(Desk::Members) => vec![b"consumers".to_vec()],
        Endpoint::Desk(Desk::Member) => vec![b"consumers".to_vec(), parameter(1)],
        Endpoint::Desk(Desk::GroupsOfConsumer) => vec![b"consumer_groups".to_vec()],
        Endpoint::Desk(Desk::GroupOfConsumer) => vec![b"consumer_groups".to_vec(), parameter(1)],
        _ => return None,
    })
}

/// An identified user, and the session it came with.
pub(super) type Identity = (Arc<Subject>, Option<Arc<Record>>);
