//! Who may do what in the Admin API, what is written down about it, and mail.

use std::path::PathBuf;
use std::time::Duration;

use super::Database;
use super::tls::VerifyClient;
use crate::checker::Checker;
use crate::listener::Listener;
use crate::problem::Notice;
use crate::secret::Secret;

/// What RBAC checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RbacLevel {
    /// Nothing.
    Off,
    /// Endpoints.
    Endpoints,
    /// Entities.
    Entities,
    /// Endpoints, then entities.
    Both,
}

/// How routes of different workspaces are kept from colliding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteValidation {
    /// By the traffic they would take from each other.
    Smart,
    /// By `enforce_route_path_pattern`, here.
    Path(Option<String>),
    /// By equality of hosts, paths and methods.
    Static,
    /// Not at all.
    Off,
}

/// RBAC.
#[derive(Debug, Clone)]
pub struct Rbac {
    /// What is checked; nothing without a database.
    pub level: RbacLevel,
    /// Header of the token, in lower case.
    pub token_header: String,
    /// How routes are kept apart.
    pub route_validation: RouteValidation,
}

impl Rbac {
    pub(super) fn read(c: &mut Checker<'_>, database: Database) -> Self {
        let levels = [("on", RbacLevel::Endpoints), ("entity", RbacLevel::Entities), ("both", RbacLevel::Both)];
        let mut level = c.choice("enforce_rbac", &levels, RbacLevel::Off);
        if database == Database::Off && level != RbacLevel::Off {
            c.notices.push(Notice::warning("enforce_rbac is off, since there is no database to keep users in"));
            level = RbacLevel::Off;
        }
        Self {
            level,
            token_header: c.string("rbac_auth_header").to_ascii_lowercase(),
            route_validation: match c.text("route_validation_strategy") {
                Some("path") => RouteValidation::Path(c.optional("enforce_route_path_pattern")),
                Some("static") => RouteValidation::Static,
                Some("off") => RouteValidation::Off,
                _ => RouteValidation::Smart,
            },
        }
    }
}

/// Warns where others reach an Admin API that asks nobody who they are.
pub(super) fn warn_of_open_doors(c: &mut Checker<'_>, rbac: &Rbac, admin: &[Listener], verify: VerifyClient) {
    if rbac.level != RbacLevel::Off {
        return;
    }
    let asks = |listener: &&Listener| listener.ssl && verify == VerifyClient::On;
    let open = admin.iter().filter(|listener| !listener.address.is_local()).find(|listener| !asks(listener));
    if let Some(listener) = open {
        let text = format!(
            "admin_listen: {} is reached from other hosts, and the Admin API asks nobody who they are: whoever reaches it \
             controls this gateway and reads every secret in it; listen on 127.0.0.1, or set enforce_rbac",
            listener.address
        );
        c.notices.push(Notice::warning(text));
    }
}

/// The audit log.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Whether there is one.
    pub enabled: bool,
    /// Methods left out, in upper case.
    pub ignore_methods: Vec<String>,
    /// Regular expressions of paths left out.
    pub ignore_paths: Vec<String>,
    /// Entities left out.
    pub ignore_tables: Vec<String>,
    /// Keys taken out of bodies.
    pub payload_exclude: Vec<String>,
    /// How long a record is kept.
    pub record_ttl: Duration,
    /// File of the RSA key that signs.
    pub signing_key: Option<PathBuf>,
}

impl Audit {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        Self {
            enabled: c.flag("audit_log"),
            ignore_methods: c.list("audit_log_ignore_methods").iter().map(|m| m.to_ascii_uppercase()).collect(),
            ignore_paths: c.owned_list("audit_log_ignore_paths"),
            ignore_tables: c.owned_list("audit_log_ignore_tables"),
            payload_exclude: c.owned_list("audit_log_payload_exclude"),
            record_ttl: c.seconds("audit_log_record_ttl"),
            signing_key: c.readable("audit_log_signing_key"),
        }
    }
}

/// Mail to admins.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Whether mails are only pretended.
    pub mock: bool,
    /// Server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the start.
    pub ssl: bool,
    /// STARTTLS.
    pub starttls: bool,
    /// `plain` or `login`; none: no sign-in.
    pub auth: Option<String>,
    /// User.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// The name this host gives itself.
    pub domain: String,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time to send.
    pub send_timeout: Duration,
    /// Time to read.
    pub read_timeout: Duration,
    /// Sender.
    pub from: Option<String>,
    /// Reply address.
    pub reply_to: Option<String>,
}

impl Mail {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        Self {
            mock: c.flag("smtp_mock"),
            host: c.string("smtp_host"),
            port: c.port("smtp_port"),
            ssl: c.flag("smtp_ssl"),
            starttls: c.flag("smtp_starttls"),
            auth: c.optional("smtp_auth_type"),
            username: c.optional("smtp_username"),
            password: c.secret("smtp_password"),
            domain: c.string("smtp_domain"),
            connect_timeout: c.milliseconds("smtp_timeout_connect"),
            send_timeout: c.milliseconds("smtp_timeout_send"),
            read_timeout: c.milliseconds("smtp_timeout_read"),
            from: c.optional("admin_emails_from"),
            reply_to: c.optional("admin_emails_reply_to"),
        }
    }
}
