//! What the gate is given by the node's settings.

use super::directory::Directory;
use access::{Complexity, Exclusion, SessionSettings, SigningKey};
use exchange::http_client::NoHttp;
use exchange::{HttpClient, Mailer, NoScripts, NoShipping, Scripts, Shipping};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often something may fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How often; none is no limit.
    pub limit: Option<u64>,
    /// How long failures are remembered.
    pub ttl: Duration,
}

/// How Routes of different workspaces are kept from taking each other's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Collisions {
    /// By the traffic they would take.
    #[default]
    Smart,
    /// Paths must match this Lua pattern, in which `$(workspace)` is the name of the workspace.
    Path(Option<String>),
    /// By equality of paths, methods and hosts.
    Static,
    /// Not at all.
    Off,
}

/// The audit log.
#[derive(Debug, Default)]
pub struct AuditSettings {
    /// Methods left out, in upper case.
    pub ignore_methods: Vec<String>,
    /// Regular expressions (PCRE) of paths left out.
    pub ignore_paths: Vec<String>,
    /// Kinds of entities left out.
    pub ignore_tables: Vec<String>,
    /// How long an entry is kept.
    pub ttl: Duration,
    /// What signs entries.
    pub key: Option<SigningKey>,
}

/// Everything the gate needs to know.
pub struct GateSettings {
    /// Whether endpoint permissions count.
    pub endpoints: bool,
    /// Whether entity permissions count.
    pub entities: bool,
    /// Header of the token.
    pub token_header: String,
    /// Whether admins sign in with name and a password of their own.
    pub passwords: bool,
    /// The directory that knows their passwords, where that is so.
    pub directory: Option<Directory>,
    /// Header that names the admin beside a session or a password.
    pub admin_header: String,
    /// Sessions.
    pub session: SessionSettings,
    /// Failed sign-ins.
    pub login_attempts: Attempts,
    /// Failed changes of a password.
    pub change_password_attempts: Attempts,
    /// Rules for passwords.
    pub complexity: Complexity,
    /// How long an invitation is valid; none is for ever.
    pub invitation_expiry: Option<Duration>,
    /// Where people reach the manager.
    pub manager_urls: Vec<String>,
    /// What is taken out of bodies and entities before they are written down or told.
    pub exclusion: Exclusion,
    /// The audit log, where there is one.
    pub audit: Option<AuditSettings>,
    /// How Routes of different workspaces are kept apart.
    pub collisions: Collisions,
    /// Whether event hooks are told.
    pub event_hooks: bool,
    /// What speaks to other servers.
    pub http: Arc<dyn HttpClient>,
    /// What sends mails to admins; none: they are not sent.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Queues of what is sent.
    pub shipping: Arc<dyn Shipping>,
    /// What runs functions of event hooks.
    pub scripts: Arc<dyn Scripts>,
}

impl GateSettings {
    /// Whether admins sign in at all, with whatever password.
    pub(super) fn signs_in(&self) -> bool {
        self.passwords || self.directory.is_some()
    }
}

impl Default for GateSettings {
    fn default() -> Self {
        GateSettings {
            endpoints: false,
            entities: false,
            token_header: "kong-admin-token".to_owned(),
            passwords: false,
            directory: None,
            admin_header: "kong-admin-user".to_owned(),
            session: SessionSettings::default(),
            login_attempts: Attempts::default(),
            change_password_attempts: Attempts::default(),
            complexity: Complexity::default(),
            invitation_expiry: Some(Duration::from_secs(259_200)),
            manager_urls: Vec::new(),
            exclusion: Exclusion::standard(),
            audit: None,
            collisions: Collisions::default(),
            event_hooks: true,
            http: Arc::new(NoHttp),
            mailer: None,
            shipping: Arc::new(NoShipping),
            scripts: Arc::new(NoScripts),
        }
    }
}

impl fmt::Debug for GateSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateSettings")
            .field("endpoints", &self.endpoints)
            .field("entities", &self.entities)
            .finish_non_exhaustive()
    }
}
