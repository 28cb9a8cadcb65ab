//! Directories (LDAP, RFC 4511) that know who somebody is, as plugins see them.
//!
//! Nothing here knows a socket. A question is handed to another thread, where the connections are.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LdapSecurity {
    /// Not at all.
    None,
    /// By TLS after a request in cleartext (RFC 4511 §4.14).
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

/// A directory server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LdapServer {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How connections are secured.
    pub security: LdapSecurity,
    /// Whether the node's authorities must vouch for the server's name, with TLS.
    pub verify: bool,
    /// For one question, connecting included.
    pub timeout: Duration,
    /// How long a connection is kept that nobody uses.
    pub keepalive: Duration,
}

/// Why a directory said nothing: a sentence for the log. Names no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LdapError(pub Arc<str>);

impl LdapError {
    /// With this sentence.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

/// What a directory says of a name and a password: whether they belong together.
pub enum Binding {
    /// It said so a moment ago.
    Known(bool),
    /// It is being asked.
    Wait(Pin<Box<dyn Future<Output = Result<bool, LdapError>> + Send>>),
}

/// The directories that a node asks.
pub trait Ldap: Send + Sync {
    /// Whether the entry `dn` has that password, which must not be empty. Both answers are kept for `keep`.
    fn bind(&self, server: &LdapServer, dn: &str, password: &str, keep: Duration) -> Binding;
}

/// No directory can be asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLdap;

impl Ldap for NoLdap {
    fn bind(&self, _: &LdapServer, _: &str, _: &str, _: Duration) -> Binding {
        Binding::Wait(Box::pin(std::future::ready(Err(LdapError::new("no directory can be asked here")))))
    }
}
