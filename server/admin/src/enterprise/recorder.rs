//! What happened, on its way into the audit log and to event hooks. Requests do not wait for either.

use super::hooks::Hooks;
use super::made;
use super::settings::{AuditSettings, GateSettings};
use super::trace::Trace;
use crate::body;
use crate::form;
use crate::scope::now;
use crate::secrets::Masks;
use access::{Exclusion, Subject, newest_first};
use actix_web::HttpRequest;
use declarative::Kinds;
use pcre2::bytes::Regex;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Change, ChangeKind, Record, Revision, Store, View};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How many entries wait at most; a request whose entry finds no place waits until there is one.
const WAITING: usize = 10_000;
/// How many entries are written together.
const TOGETHER: usize = 200;
/// Kinds whose changes are nobody's work.
const INNER: [&str; 7] = [
    "acme_storage",
    "admin_sessions",
    "audit_objects",
    "audit_requests",
    "login_attempts",
    "sessions",
    "workspace_counters",
];
/// The longest body that is read into an entry, in bytes.
const LONGEST: usize = 1 << 20;

struct Log {
    masks: Arc<Masks>,
    ignore_methods: Vec<String>,
    ignore_paths: Vec<Regex>,
    ignore_tables: Vec<String>,
    ttl: i64,
    key: Option<access::SigningKey>,
    entries: mpsc::Sender<Record>,
}

/// Writes the audit log and tells event hooks.
pub(crate) struct Recorder {
    kinds: Arc<Kinds>,
    store: Arc<dyn Store>,
    masks: Arc<Masks>,
    log: Option<Arc<Log>>,
    hooks: Option<Arc<Hooks>>,
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970")]
    let millis = (now() * 1000.0) as u64;
    millis
}

impl Recorder {
    /// Starts it, on the runtime it is called in.
    pub(super) fn start(
        settings: &GateSettings,
        kinds: Arc<Kinds>,
        store: Arc<dyn Store>,
        audit: Option<AuditSettings>,
    ) -> Result<Recorder, String> {
        let masks = Arc::new(Masks::new(kinds.clone(), settings.exclusion.clone()));
        let log = audit.map(|audit| Log::start(audit, masks.clone(), store.clone())).transpose()?;
        let log = log.map(|(log, _)| Arc::new(log));
        let hooks = settings.event_hooks.then(|| {
            let (shipping, http) = (settings.shipping.clone(), settings.http.clone());
            Arc::new(Hooks::new(kinds.clone(), shipping, http, settings.scripts.clone()))
        });
        Ok(Recorder { kinds, store, masks, log, hooks })
    }

    /// What shows entities without their secrets.
    pub(crate) fn masks(&self) -> &Masks {
        &self.masks
    }

    /// Event hooks, where they are told.
    pub(super) fn hooks(&self) -> Option<&Arc<Hooks>> {
        self.hooks.as_ref()
    }

    /// Notes a request and how it went.
    pub(crate) async fn request(&self, request: &HttpRequest, trace: &Trace, status: u16) {
        let Some(log) = &self.log else { return };
        let path = request.uri().path();
        // What ends in the log is decided on by the path as sent.
        let ignored = |regex: &Regex| regex.is_match(path.as_bytes()).unwrap_or(false);
        if log.ignore_methods.iter().any(|method| method == request.method().as_str())
            || log.ignore_paths.iter().any(ignored)
        {
            return;
        }
        let (payload, removed) = log.payload(request, trace);
        let (id, name) = who(trace.subject.as_deref());
        let millis = millis();
        let entry = json!({
            "request_id": trace.request_id,
            "request_timestamp": millis / 1000,
            "client_ip": request.peer_addr().map(|address| address.ip().to_string()),
            "method": request.method().as_str(),
            "path": log.path(request, trace),
            "status": status,
            "payload": payload,
            "removed_from_payload": removed,
            "rbac_user_id": id,
            "rbac_user_name": name,
            "workspace": trace.workspace.map(|workspace| workspace.to_string()),
        });
        log.write(&self.kinds, "audit_requests", entry, millis).await;
    }

    /// Whether changes are noted or told.
    pub(crate) fn heeds_changes(&self) -> bool {
        self.log.is_some() || self.hooks.is_some()
    }

    /// Notes and tells what a batch has changed. `view`: where event hooks are known from.
    pub(crate) async fn changed(&self, revision: Revision, view: Option<&Arc<View>>, who: Who, request_id: &str) {
        if !self.heeds_changes() {
            return;
        }
        let told: Vec<Arc<Record>> = view.into_iter().flat_map(|view| view.all("event_hooks")).cloned().collect();
        if self.log.is_none() && told.is_empty() {
            return;
        }
        let changes = self.store.changes(revision.saturating_sub(1), 1).await.unwrap_or_else(|error| {
            tracing::error!(%error, revision, "what was changed cannot be noted");
            Vec::new()
        });
        // A batch that changed nothing has the revision of an earlier one, which was somebody else's.
        let is_meant = |change: &Change| {
            let theirs = !request_id.is_empty() || who.1.as_deref() == Some(&*change.author);
            change.revision == revision && *change.request_id == *request_id && theirs
        };
        for change in changes.into_iter().filter(is_meant) {
            let ChangeKind::Record { entity, id, ws, before, after } = change.kind else { continue };
            if INNER.contains(&entity) {
                continue;
            }
            let operation = match (&before, &after) {
                (None, _) => "create",
                (_, Some(_)) => "update",
                (_, None) => "delete",
            };
            if let Some(log) = &self.log
                && !log.ignore_tables.iter().any(|table| table == entity)
            {
                let (user, name) = &who;
                let text =
                    |record: &Option<Arc<Record>>| record.as_deref().map(|record| self.masks.shown(record).to_string());
                let millis = millis();
                let entry = json!({
                    "request_id": (!request_id.is_empty()).then_some(request_id),
                    "request_timestamp": millis / 1000,
                    "dao_name": entity,
                    "entity_key": id.to_string(),
                    "entity": text(if after.is_some() { &after } else { &before }),
                    "entity_before": if after.is_some() { text(&before) } else { None },
                    "operation": operation,
                    "rbac_user_id": user,
                    "rbac_user_name": name,
                    "workspace": ws.map(|ws| ws.to_string()),
                });
                log.write(&self.kinds, "audit_objects", entry, millis).await;
            }
            if let Some(hooks) = &self.hooks {
                hooks.tell(&told, entity, operation, before.as_deref(), after.as_deref());
            }
        }
    }
}

/// Writes down in the audit log what a command has changed, and waits until it is.
pub async fn note_changes(
    audit: AuditSettings,
    exclusion: Exclusion,
    kinds: Arc<Kinds>,
    store: Arc<dyn Store>,
    (revision, author): (Revision, &str),
) -> Result<(), String> {
    let masks = Arc::new(Masks::new(kinds.clone(), exclusion));
    let (log, written) = Log::start(audit, masks.clone(), store.clone())?;
    let recorder = Recorder { kinds, store, masks, log: Some(Arc::new(log)), hooks: None };
    recorder.changed(revision, None, (None, Some(author.to_owned())), "").await;
    drop(recorder);
    written.await.map_err(|error| error.to_string())
}

/// Id and name of a user.
type Who = (Option<String>, Option<String>);

/// How the log names who asks.
pub(crate) fn who(subject: Option<&Subject>) -> Who {
    (subject.map(|subject| subject.id.to_string()), subject.map(|subject| subject.name.clone()))
}

impl Log {
    /// The log, and what ends when all of it is written, once it is dropped.
    fn start(audit: AuditSettings, masks: Arc<Masks>, store: Arc<dyn Store>) -> Result<(Log, JoinHandle<()>), String> {
        let ignore_paths = audit.ignore_paths.iter().map(|path| Regex::new(path)).collect::<Result<_, _>>();
        let ignore_paths = ignore_paths.map_err(|error| format!("audit_log_ignore_paths: {error}"))?;
        let (entries, arriving) = mpsc::channel(WAITING);
        let written = tokio::spawn(write_down(arriving, store));
        let log = Log {
            masks,
            ignore_methods: audit.ignore_methods,
            ignore_paths,
            ignore_tables: audit.ignore_tables,
            ttl: i64::try_from(audit.ttl.as_secs()).unwrap_or(i64::MAX),
            key: audit.key,
            entries,
        };
        Ok((log, written))
    }

    /// A request's body as text without what is excluded, and the names of what was.
    fn payload(&self, request: &HttpRequest, trace: &Trace) -> (Option<String>, Option<String>) {
        if trace.body.is_empty() || trace.body.len() > LONGEST {
            return (None, None);
        }
        // What cannot be read cannot be searched for secrets.
        let Ok(body) = body::parse(request.headers(), &trace.body) else { return (None, None) };
        let (members, _) = body.into_members();
        let entity = trace.about.as_ref().map(|about| about.entity);
        let (value, removed) = self.masks.sent(entity, members);
        let removed = (!removed.is_empty()).then(|| removed.into_iter().collect::<Vec<_>>().join(","));
        (Some(value.to_string()), removed)
    }

    /// The path as sent, without the values of arguments that are excluded, and with a mask for keys that are secrets.
    fn path(&self, request: &HttpRequest, trace: &Trace) -> String {
        let secrets = trace.about.iter().flat_map(|about| &about.secrets);
        let secrets: Vec<&Vec<u8>> = secrets.collect();
        let shown = |segment| if secrets.contains(&&form::decode(str::as_bytes(segment))) { "***" } else { segment };
        let path = request.uri().path().split('/').map(shown).collect::<Vec<_>>().join("/");
        let Some(query) = request.uri().query() else { return path };
        let plain = |pair: &&str| {
            let name = form::decode(pair.split('=').next().unwrap_or_default().as_bytes());
            let mut probe = Value::Object(Map::from_iter([(String::from_utf8_lossy(&name).into_owned(), Value::Null)]));
            self.masks.exclusion.apply(&mut probe).is_empty()
        };
        let pairs: Vec<&str> = query.split('&').filter(plain).collect();
        format!("{path}?{}", pairs.join("&"))
    }

    async fn write(&self, kinds: &Kinds, entity: &'static str, mut entry: Value, millis: u64) {
        let id: Uuid = newest_first(millis);
        if let (Some(key), Some(members)) = (&self.key, entry.as_object()) {
            let signature = key.sign(members);
            entry["signature"] = signature.into();
        }
        entry["id"] = id.to_string().into();
        let Ok(mut record) = made(kinds, entity, None, entry) else {
            tracing::error!(entity, "an entry of the audit log is not valid");
            return;
        };
        record.expires = Some(i64::try_from(millis / 1000).unwrap_or(0).saturating_add(self.ttl));
        if self.entries.send(record).await.is_err() {
            tracing::error!("the audit log is not written any more");
        }
    }
}

/// Writes entries down, several at a time, until the gate is gone.
async fn write_down(mut arriving: mpsc::Receiver<Record>, store: Arc<dyn Store>) {
    let mut entries = Vec::with_capacity(TOGETHER);
    while arriving.recv_many(&mut entries, TOGETHER).await > 0 {
        // Of one kind after the other: few statements write them.
        entries.sort_by_key(|entry: &Record| entry.entity);
        if let Err(error) = store.note(std::mem::take(&mut entries)).await {
            tracing::error!(%error, "entries of the audit log could not be written");
        }
    }
}
