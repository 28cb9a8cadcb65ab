//! `session`: who has authenticated once is known by a cookie from then on.

mod config;
mod content;
mod jar;
mod seal;

pub use config::{Config, Storage};

use content::{Limits, Login, Session, Use};
use entities::{PluginSchema, Scopes};
use exchange::form::{self, Named};
use exchange::{About, Answer, Credential, Exchange, Flow, Phases, Plugin, Records, Services, Step};
use jar::Jar;
use seal::Seal;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

/// The entity that holds sessions.
const SESSIONS: &str = "sessions";

/// What logins are sealed for in the database.
const DATA: &str = "data";

/// Tells the upstream the groups of a session.
const GROUPS: &str = "X-Authenticated-Groups";

/// `session`, configured.
pub struct SessionPlugin {
    seal: Seal,
    records: Option<Arc<dyn Records>>,
    audience: String,
    short: Kept,
    long: Option<Kept>,
    stale: u64,
    config: Config,
}

/// A cookie with its limits.
struct Kept {
    name: String,
    jar: Jar,
    limits: Limits,
}

/// The session of a request.
struct Active {
    session: Session,
    /// Its row in the database.
    row: Option<Uuid>,
    used: Use,
}

/// What a response must do about the cookies.
#[derive(Default)]
struct Pieces {
    short: usize,
    long: usize,
    active: Option<Active>,
    ended: bool,
}

impl SessionPlugin {
    /// The session that a cookie names, if it is not over.
    async fn open(&self, exchange: &Exchange, kept: &Kept, value: &[u8]) -> Option<(Session, Option<Uuid>)> {
        let content = self.seal.open(&kept.name, value)?;
        let mut session: Session = serde_json::from_slice(&content).ok()?;
        if session.over(&kept.limits, now(exchange)) {
            return None;
        }
        let Some(records) = &self.records else { return Some((session, None)) };
        match records.find(exchange.workspace, SESSIONS, "session_id", &session.id).await {
            Ok(row) => {
                let row = row?;
                let data = self.seal.open(DATA, row.text("data")?.as_bytes())?;
                session.logins = serde_json::from_slice(&data).ok()?;
                Some((session, Some(row.id)))
            }
            Err(error) => {
                tracing::error!(%error, "a session could not be read");
                None
            }
        }
    }

    /// The session of either cookie. One that was remembered is replaced.
    async fn find(&self, exchange: &Exchange, short: &[u8], long: &[u8]) -> Option<Active> {
        let at = now(exchange);
        if let Some((session, row)) = self.open(exchange, &self.short, short).await {
            let used = session.used(&self.short.limits, at);
            return Some(Active { session, row, used });
        }
        let (session, row) = self.open(exchange, self.long.as_ref()?, long).await?;
        Some(Active { session, row, used: Use::Replace })
    }

    async fn by_cookies(&self, exchange: &mut Exchange, mut pieces: Pieces, short: Vec<u8>, long: Vec<u8>) -> Flow {
        let Some(mut active) = self.find(exchange, &short, &long).await else { return remember(exchange, pieces) };
        let Some(login) = active.session.logins.get(&self.audience).cloned() else {
            pieces.active = Some(active);
            return remember(exchange, pieces);
        };
        match self.logs_out(exchange).await {
            Ok(false) => {}
            Ok(true) => {
                let mut answer = Answer::bytes(200, "");
                for line in self.end(exchange, &mut active, &pieces).await {
                    answer = answer.header("Set-Cookie", line);
                }
                return answer.into();
            }
            Err(answer) => return answer.into(),
        }
        let consumer = match exchange.directory.consumer(exchange.workspace, login.consumer).get().await {
            Ok(Some(consumer)) => consumer,
            Ok(None) => {
                self.end(exchange, &mut active, &pieces).await;
                pieces.ended = true;
                return remember(exchange, pieces);
            }
            Err(error) => {
                tracing::error!(%error, "the Consumer of a session could not be looked up");
                return remember(exchange, pieces);
            }
        };
        let credential =
            Credential { id: login.credential, entity: SESSIONS, consumer: Some(consumer.id), ..Credential::default() };
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = &*login.credential.hyphenated().encode_lower(&mut id);
        exchange.authenticate(Some(consumer), Some(Arc::new(credential)), Some(id));
        exchange.request.headers.remove(GROUPS);
        if !login.groups.is_empty() {
            exchange.request.headers.append(GROUPS, login.groups.join(", "));
            exchange.identity.authenticated_groups = login.groups;
        }
        let told =
            self.told(self.config.request_headers.iter().flat_map(|names| names.iter()), &active.session, exchange);
        for (name, value) in told {
            exchange.request.headers.set(&name, value);
        }
        pieces.active = Some(active);
        remember(exchange, pieces)
    }

    /// What headers tell of a session.
    fn told<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        session: &Session,
        exchange: &Exchange,
    ) -> Vec<(String, String)> {
        let at = now(exchange);
        let property = |name: &str| session.property(name, &self.audience, &self.short.limits, at);
        names.filter_map(|name| Some((header_of(name), property(name)?))).collect()
    }

    /// Whether a request asks to end its session.
    async fn logs_out(&self, exchange: &mut Exchange) -> Result<bool, Answer> {
        let methods = self.config.logout_methods.iter().flat_map(|methods| methods.iter());
        if !methods.into_iter().any(|method| method.as_bytes() == exchange.request.method.as_slice()) {
            return Ok(false);
        }
        let query = exchange.forward.query.as_ref().or(exchange.request.query.as_ref());
        if let (Some(name), Some(query)) = (&self.config.logout_query_arg, query)
            && form::named(query, name) != Named::Missing
        {
            return Ok(true);
        }
        match &self.config.logout_post_arg {
            Some(name) if self.config.read_body_for_logout == Some(true) => {
                let form = form::read(exchange).await?;
                Ok(form.is_some_and(|form| form.named(name) != Named::Missing))
            }
            _ => Ok(false),
        }
    }

    /// Ends the login of this audience, and with the last one the session. Gives the `Set-Cookie` lines.
    async fn end(&self, exchange: &Exchange, active: &mut Active, pieces: &Pieces) -> Vec<String> {
        active.session.logins.remove(&self.audience);
        if !active.session.logins.is_empty() {
            return self.save(exchange, active, pieces);
        }
        if let (Some(records), Some(row)) = (&self.records, active.row)
            && let Err(error) = records.delete(exchange.workspace, SESSIONS, row).await
        {
            tracing::error!(%error, "a session that has ended could not be removed");
        }
        self.cleared(pieces)
    }

    fn cleared(&self, pieces: &Pieces) -> Vec<String> {
        let long = self.long.iter().flat_map(|long| long.jar.clear(pieces.long));
        self.short.jar.clear(pieces.short).into_iter().chain(long).collect()
    }

    /// Puts another session in the place of one, with the same logins, and keeps it. Gives the `Set-Cookie` lines.
    fn save(&self, exchange: &Exchange, active: &mut Active, pieces: &Pieces) -> Vec<String> {
        let at = now(exchange);
        active.session = active.session.replaced(at);
        if let Some(records) = &self.records {
            let limits = self.long.as_ref().map_or(&self.short.limits, |long| &long.limits);
            let [_, rolling, absolute] = active.session.left(limits, at);
            let ttl = [rolling, absolute].into_iter().flatten().min();
            let Some(data) = self.sealed(DATA, &active.session.logins) else { return Vec::new() };
            let mut fields = Map::new();
            fields.insert("session_id".into(), active.session.id.clone().into());
            fields.insert("data".into(), data.into());
            fields.insert("expires".into(), ttl.map_or(Value::Null, |ttl| (at + ttl).into()));
            // The response is on its way: who fails to store says so in the log, and the client logs in again.
            drop(records.insert(exchange.workspace, SESSIONS, fields, ttl));
            if let Some(row) = active.row.take() {
                if self.stale == 0 {
                    drop(records.delete(exchange.workspace, SESSIONS, row));
                } else {
                    drop(records.update(exchange.workspace, SESSIONS, row, Map::new(), Some(self.stale)));
                }
            }
        }
        self.written(&active.session, pieces, at)
    }

    /// The `Set-Cookie` lines of a session.
    fn written(&self, session: &Session, pieces: &Pieces, at: u64) -> Vec<String> {
        let mut content = session.clone();
        if self.records.is_some() {
            content.logins = BTreeMap::new();
        }
        let write = |kept: &Kept, until: Option<u64>, pieces: usize| {
            let lines = self.sealed(&kept.name, &content).and_then(|value| kept.jar.write(&value, until, at, pieces));
            lines.unwrap_or_else(|| {
                tracing::error!("a session is too large for cookies");
                Vec::new()
            })
        };
        let mut lines = write(&self.short, None, pieces.short);
        if let Some(long) = &self.long {
            let [_, rolling, absolute] = session.left(&long.limits, at);
            let until = [rolling, absolute].into_iter().flatten().min().unwrap_or(u64::from(u32::MAX));
            lines.extend(write(long, Some(until), pieces.long));
        }
        lines
    }

    fn sealed<T: serde::Serialize>(&self, purpose: &str, content: &T) -> Option<String> {
        self.seal.seal(purpose, &serde_json::to_vec(content).ok()?)
    }
}

/// `Session-Idling-Timeout` of `idling-timeout`.
fn header_of(name: &str) -> String {
    let mut out = "Session".to_owned();
    for word in name.split('-') {
        out.push('-');
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

fn remember(exchange: &mut Exchange, pieces: Pieces) -> Flow {
    exchange.state.put(pieces);
    Flow::Next
}

fn now(exchange: &Exchange) -> u64 {
    exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whole seconds of an option; at least one where it is no zero.
fn seconds(option: Option<f64>) -> u64 {
    option.map_or(0, |seconds| seconds.max(0.0).ceil() as u64)
}

impl Plugin for SessionPlugin {
    const NAME: &'static str = "session";
    const PRIORITY: i32 = 1900;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER).all_protocols()
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let kept = |name: &Option<String>, default: &str, limits| {
            let name = name.clone().unwrap_or_else(|| default.to_owned());
            Kept { jar: Jar::new(&name, &config), name, limits }
        };
        let (idling, rolling, absolute) = (config.idling_timeout, config.rolling_timeout, config.absolute_timeout);
        let short = Limits { idling: seconds(idling), rolling: seconds(rolling), absolute: seconds(absolute) };
        let (rolling, absolute) = (config.remember_rolling_timeout, config.remember_absolute_timeout);
        let long = Limits { idling: 0, rolling: seconds(rolling), absolute: seconds(absolute) };
        let remembers = config.remember == Some(true);
        Ok(Self {
            seal: Seal::new(config.secret.as_deref().unwrap_or_default())?,
            records: (config.storage == Some(Storage::Kong)).then(|| services.records.clone()),
            audience: config.audience.clone().unwrap_or_else(|| "default".to_owned()),
            short: kept(&config.cookie_name, "session", short),
            long: remembers.then(|| kept(&config.remember_cookie_name, "remember", long)),
            stale: seconds(config.stale_ttl),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let short = self.short.jar.read(&exchange.request.headers);
        let long = self.long.as_ref().map(|long| long.jar.read(&exchange.request.headers)).unwrap_or_default();
        if short.pieces + long.pieces == 0 {
            return Step::NEXT;
        }
        let pieces = Pieces { short: short.pieces, long: long.pieces, ..Pieces::default() };
        Step::Wait(Box::pin(self.by_cookies(exchange, pieces, short.value, long.value)))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let mut pieces = exchange.state.take::<Pieces>().unwrap_or_default();
        let identity = &exchange.identity;
        let (Some(consumer), Some(credential)) = (&identity.consumer, &identity.credential) else {
            if pieces.ended {
                add(exchange, self.cleared(&pieces));
            }
            return Flow::Next;
        };
        let known = pieces.active.as_ref().and_then(|active| active.session.logins.get(&self.audience));
        let same = known.is_some_and(|login| login.consumer == consumer.id && login.credential == credential.id);
        let at = now(exchange);
        let lines;
        let session = if same && let Some(mut active) = pieces.active.take() {
            lines = match active.used {
                Use::Nothing => Vec::new(),
                Use::Touch => {
                    active.session.touched = at;
                    self.written(&active.session, &pieces, at)
                }
                Use::Replace => self.save(exchange, &mut active, &pieces),
            };
            active.session
        } else {
            let id = consumer.id.to_string();
            let subject = consumer.username.as_deref().or(consumer.custom_id.as_deref()).unwrap_or(&id).to_owned();
            let login = Login {
                consumer: consumer.id,
                credential: credential.id,
                groups: identity.authenticated_groups.clone(),
                subject,
            };
            let before = pieces.active.take();
            let row = before.as_ref().and_then(|active| active.row);
            let mut session = Session::begin(at);
            session.logins = before.map(|active| active.session.logins).unwrap_or_default();
            session.logins.insert(self.audience.clone(), login);
            let mut active = Active { session, row, used: Use::Replace };
            lines = self.save(exchange, &mut active, &pieces);
            active.session
        };
        add(exchange, lines);
        let names = self.config.response_headers.iter().flat_map(|names| names.iter());
        for (name, value) in self.told(names, &session, exchange) {
            exchange.response.headers.set(&name, value);
        }
        Flow::Next
    }
}

fn add(exchange: &mut Exchange, lines: Vec<String>) {
    for line in lines {
        exchange.response.headers.append("Set-Cookie", line);
    }
}

#[cfg(test)]
mod tests;
