//! The manager in the browser, and how admins sign in to it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::checker::Checker;

/// How admins sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// `basic-auth`.
    Basic,
    /// `ldap-auth-advanced`.
    Ldap,
    /// `openid-connect`.
    OpenIdConnect,
}

/// How often something may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How often; none is no limit.
    pub limit: Option<u64>,
    /// How long failures are remembered.
    pub ttl: Duration,
}

/// The manager.
#[derive(Debug, Clone)]
pub struct Manager {
    /// Where people reach it; the origins that the Admin API allows.
    pub urls: Vec<String>,
    /// Its path: begins with a slash, ends with one only when it is `/`.
    pub path: String,
    /// Where it reaches the Admin API; none: the host of the page and the port of the Admin API.
    pub api_url: Option<String>,
    /// How admins sign in; none: nobody needs to.
    pub sign_in: Option<SignIn>,
    /// Configuration of that plugin.
    pub sign_in_config: Map<String, Value>,
    /// Configuration of the session plugin.
    pub session: Option<Map<String, Value>>,
    /// Header that names the admin.
    pub auth_header: String,
    /// Failed sign-ins.
    pub login_attempts: Attempts,
    /// Failed changes of a password.
    pub change_password_attempts: Attempts,
    /// Rules for passwords, as given.
    pub password_complexity: Option<Map<String, Value>>,
    /// How long an invitation is valid; none is for ever.
    pub invitation_expiry: Option<Duration>,
}

impl Manager {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let options = [
            ("basic-auth", SignIn::Basic),
            ("ldap-auth-advanced", SignIn::Ldap),
            ("openid-connect", SignIn::OpenIdConnect),
        ];
        let named = c.text("admin_gui_auth");
        let sign_in = options.iter().find(|(word, _)| Some(*word) == named).map(|(_, value)| *value);
        let manager = Self {
            urls: urls(c),
            path: path(c),
            api_url: api_url(c),
            sign_in,
            sign_in_config: c.json("admin_gui_auth_conf").unwrap_or_default(),
            session: c.json("admin_gui_session_conf"),
            auth_header: c.string("admin_gui_auth_header"),
            login_attempts: attempts(c, "admin_gui_auth_login_attempts", "admin_gui_auth_login_attempts_ttl"),
            change_password_attempts: attempts(
                c,
                "admin_gui_auth_change_password_attempts",
                "admin_gui_auth_change_password_ttl",
            ),
            password_complexity: c.json("admin_gui_auth_password_complexity"),
            invitation_expiry: Some(c.seconds("admin_invitation_expiry")).filter(|t| !t.is_zero()),
        };
        manager.check(c);
        manager
    }

    fn check(&self, c: &mut Checker<'_>) {
        if self.sign_in.is_none() {
            return;
        }
        if c.text("enforce_rbac").is_none_or(|level| level == "off") {
            let message = "admin_gui_auth is set without enforce_rbac";
            c.wrong("admin_gui_auth", message, "set enforce_rbac = on, entity or both");
        }
        let secret = self.session.as_ref().and_then(|s| s.get("secret"));
        let broken = c.problems.iter().any(|p| p.property == "admin_gui_session_conf");
        if self.sign_in != Some(SignIn::OpenIdConnect) && !broken && !secret.is_some_and(Value::is_string) {
            let message = "admin_gui_session_conf must be set with a secret when admin_gui_auth is enabled";
            c.wrong("admin_gui_session_conf", message, r#"such as {"secret": "a long random text"}"#);
        }
    }
}

fn attempts(c: &mut Checker<'_>, limit: &str, ttl: &str) -> Attempts {
    Attempts {
        limit: Some(c.count(limit)).filter(|n| *n > 0),
        ttl: Duration::from_secs(c.integer(ttl, 0..=100_000_000, "must be between 0 and 100000000")),
    }
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|b| b.is_ascii_graphic()))
}

fn urls(c: &mut Checker<'_>) -> Vec<String> {
    for url in c.list("admin_gui_url").iter().filter(|url| !is_url(url)) {
        c.wrong(
            "admin_gui_url",
            format!("admin_gui_url: '{url}' is not a valid URL"),
            "such as https://manager.example:8445",
        );
    }
    c.owned_list("admin_gui_url")
}

fn api_url(c: &mut Checker<'_>) -> Option<String> {
    let url = c.text("admin_gui_api_url")?;
    // Kong's manager takes host and port as well as a URL.
    if url.chars().any(char::is_whitespace) {
        c.wrong(
            "admin_gui_api_url",
            format!("admin_gui_api_url: '{url}' is not a valid URL"),
            "such as https://admin.example:8444",
        );
    }
    Some(url.to_owned())
}

fn path(c: &mut Checker<'_>) -> String {
    let name = "admin_gui_path";
    let path = c.text(name).unwrap_or("/");
    let mut wrong = |message: &str| c.wrong(name, format!("{name} {message}"), "such as /manager");
    if !path.starts_with('/') {
        wrong("must start with a slash ('/')");
    }
    if path.len() > 1 && path.ends_with('/') {
        wrong("must not end with a slash ('/')");
    }
    if path.contains("//") {
        wrong("must not contain continuous slashes ('/')");
    }
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/')) {
        wrong("can only contain letters, digits, hyphens ('-'), underscores ('_'), and slashes ('/')");
    }
    path.to_owned()
}
