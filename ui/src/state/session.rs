//! Who is signed in.

use leptos::prelude::*;
use serde_json::Value;
use web_sys::Storage;

use super::gateway::Gateway;
use super::location::front;
use crate::api::{Failure, Sent, request, setting};
use crate::page::DEFAULT;
use crate::texts::Text;

/// Where the name of the admin is kept, for the next visit.
const NAME: &str = "silverback-admin";
/// Where an RBAC token is kept: for this tab, until it is closed.
const TOKEN: &str = "silverback-token";

/// Whether one may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not known yet.
    Asking,
    /// The gateway wants to know who one is.
    Wanted,
    In,
}

/// Who one says one is.
#[derive(Clone, Debug, Default, PartialEq)]
enum Identity {
    #[default]
    Nobody,
    /// Beside the cookie of the session.
    Admin(String),
    Token(String),
}

/// The one of this page.
#[derive(Clone, Copy)]
pub struct Session {
    pub standing: RwSignal<Standing>,
    /// `GET /userinfo`; none without RBAC, and for a token behind which no admin stands.
    pub info: RwSignal<Option<Value>>,
    /// It is over while a page is open, which stays.
    pub over: RwSignal<bool>,
    identity: RwSignal<Identity>,
}

fn local() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

fn of_tab() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}

fn kept(storage: Option<Storage>, name: &str) -> Option<String> {
    storage?.get_item(name).ok().flatten().filter(|value| !value.is_empty())
}

fn admin_header() -> String {
    setting("ADMIN_GUI_AUTH_HEADER").unwrap_or_else(|| "Kong-Admin-User".to_owned())
}

fn token_header() -> String {
    setting("RBAC_AUTH_HEADER").unwrap_or_else(|| "Kong-Admin-Token".to_owned())
}

/// Name and password as RFC 7617 has them, in UTF-8.
fn basic(name: &str, password: &str) -> Option<String> {
    let bytes: String = format!("{name}:{password}").bytes().map(char::from).collect();
    Some(format!("Basic {}", web_sys::window()?.btoa(&bytes).ok()?))
}

impl Session {
    pub(super) fn new() -> Self {
        let identity = match (kept(of_tab(), TOKEN), kept(local(), NAME)) {
            (Some(token), _) => Identity::Token(token),
            (None, Some(name)) => Identity::Admin(name),
            (None, None) => Identity::Nobody,
        };
        Self {
            standing: RwSignal::new(Standing::Asking),
            info: RwSignal::new(None),
            over: RwSignal::new(false),
            identity: RwSignal::new(identity),
        }
    }

    /// The name one signed in with.
    pub fn name(self) -> Option<String> {
        self.identity.with(|identity| match identity {
            Identity::Admin(name) => Some(name.clone()),
            _ => None,
        })
    }

    /// Whether one is known at all, so that one can sign out.
    pub fn is_known(self) -> bool {
        self.identity.with(|identity| *identity != Identity::Nobody)
    }

    /// What to call who is signed in.
    pub fn called(self) -> Option<String> {
        let known = self.info.with(|info| info.as_ref()?["admin"]["username"].as_str().map(str::to_owned));
        known.or_else(|| self.name()).or_else(|| self.is_known().then(|| t!("Token").to_owned()))
    }

    /// What says in a request who one is.
    pub fn headers(self) -> Sent {
        self.identity.with_untracked(|identity| match identity {
            Identity::Nobody => Sent::new(),
            Identity::Admin(name) => vec![(admin_header(), name.clone())],
            Identity::Token(token) => vec![(token_header(), token.clone())],
        })
    }

    /// An answer said that nobody is known by what was sent.
    pub(super) fn end(self) {
        if self.standing.get_untracked() == Standing::In && !self.over.get_untracked() {
            self.over.set(true);
        }
    }

    /// Asks the gateway about who one says one is.
    pub(super) async fn recognise(self, gateway: Gateway) {
        if self.identity.with_untracked(|identity| *identity == Identity::Nobody) {
            return;
        }
        match request("GET", "userinfo", None, &self.headers()).await {
            Ok(info) => self.know(gateway, info),
            Err(failure) if failure.status == 401 => match self.standing.get_untracked() {
                Standing::In => self.end(),
                Standing::Asking | Standing::Wanted => self.standing.set(Standing::Wanted),
            },
            // There is no RBAC, or no admin behind the token, or no answer.
            Err(_) => {}
        }
    }

    fn know(self, gateway: Gateway, info: Value) {
        let workspaces = info["workspaces"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = workspaces.iter().filter_map(|one| one["name"].as_str()).collect();
        let elsewhere = names.first().filter(|_| !names.contains(&DEFAULT)).map(|name| front(name));
        if self.info.with_untracked(|known| known.as_ref() != Some(&info)) {
            self.info.set(Some(info.clone()));
        }
        // Whoever has nothing to do with the default Workspace begins in one of its own.
        if let (Some(front), true) = (elsewhere, gateway.place.workspace.with_untracked(String::is_empty)) {
            let page = gateway.place.page.get_untracked().path();
            gateway.place.go(&format!("{front}{page}"));
        }
    }

    /// Begins a session with name and password.
    pub async fn sign_in(self, gateway: Gateway, name: &str, password: &str) -> Result<(), Failure> {
        let refused = || Failure { status: 401, body: Value::Null };
        // No header can hold another name.
        let credentials = basic(name, password).filter(|_| name.is_ascii()).ok_or_else(refused)?;
        let sent = vec![(admin_header(), name.to_owned()), ("authorization".to_owned(), credentials)];
        request("GET", "auth", None, &sent).await?;
        let identity = Identity::Admin(name.to_owned());
        self.enter(gateway, identity).await.map_err(|failure| match failure.status {
            // The password was right, and the cookie did not come back.
            401 => Failure { status: 401, body: serde_json::json!({ "message": NO_COOKIE.get() }) },
            _ => failure,
        })?;
        if let Some(storage) = local() {
            let _ = storage.set_item(NAME, name);
        }
        Ok(())
    }

    /// Comes in with an RBAC token.
    pub async fn show_token(self, gateway: Gateway, token: &str) -> Result<(), Failure> {
        let refused = || Failure { status: 401, body: Value::Null };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused());
        }
        self.enter(gateway, Identity::Token(token.to_owned())).await?;
        if let Some(storage) = of_tab() {
            let _ = storage.set_item(TOKEN, token);
        }
        Ok(())
    }

    async fn enter(self, gateway: Gateway, identity: Identity) -> Result<(), Failure> {
        let before = self.identity.get_untracked();
        self.identity.set(identity);
        let answer = request("GET", "userinfo", None, &self.headers()).await;
        match answer {
            Ok(info) => self.know(gateway, info),
            Err(failure) if failure.status == 404 => {}
            Err(failure) => {
                self.identity.set(before);
                return Err(failure);
            }
        }
        self.over.set(false);
        if self.standing.get_untracked() == Standing::Wanted {
            self.standing.set(Standing::Asking);
        }
        gateway.refresh();
        Ok(())
    }

    /// Ends the session, or all sessions of this admin, and begins anew with nothing of it left in the page.
    pub async fn sign_out(self, everywhere: bool) -> Result<(), Failure> {
        if self.name().is_some() {
            let path = if everywhere { "auth?session_logout=true&all=true" } else { "auth?session_logout=true" };
            match request("DELETE", path, None, &self.headers()).await {
                Err(failure) if failure.status != 401 => return Err(failure),
                _ => {}
            }
        }
        for (storage, name) in [(of_tab(), TOKEN), (local(), NAME)] {
            if let Some(storage) = storage {
                let _ = storage.remove_item(name);
            }
        }
        if let Some(window) = web_sys::window() {
            let _ = window.location().assign(&front(""));
        }
        Ok(())
    }
}

/// Why somebody with the right password is not signed in.
pub const NO_COOKIE: Text = text!(
    "The password is right, but the browser did not keep the session: reach the manager over HTTPS, \
     or set cookie_secure to false in admin_gui_session_conf."
);
