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

/// An entry of a directory, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdapEntry {
    /// Its name.
    pub dn: String,
    /// Attributes that are text, each with its values.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// A question for entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapSearch {
    /// Name and password of the entry that asks; nobody asks without.
    pub asker: Option<(String, String)>,
    /// The entry at which the search begins; all that are below it are looked at.
    pub base: String,
    /// The filter (RFC 4515).
    pub filter: String,
    /// Attributes that are wanted.
    pub attributes: Vec<String>,
}

/// Entries that a directory finds; at most a thousand.
pub type LdapEntries = Pin<Box<dyn Future<Output = Result<Vec<LdapEntry>, LdapError>> + Send>>;

/// The directories that a node asks.
pub trait Ldap: Send + Sync {
    /// Looks for entries.
    fn search(&self, _: &LdapServer, _: LdapSearch) -> LdapEntries {
        Box::pin(std::future::ready(Err(LdapError::new("no directory can be searched here"))))
    }

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

/// A value as it stands in a distinguished name (RFC 4514 §2.4).
pub fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (index, letter) in value.chars().enumerate() {
        match letter {
            '\0' => out.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                out.push('\\');
                out.push(letter);
            }
            ' ' | '#' if index == 0 => {
                out.push('\\');
                out.push(letter);
            }
            ' ' if index == last => out.push_str("\\ "),
            _ => out.push(letter),
        }
    }
    out
}

/// A value as it stands in a filter (RFC 4515 §3).
pub fn filtered(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\0' | '(' | ')' | '*' | '\\' => out.push_str(&format!("\\{:02x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        for (name, expected) in [
            ("hazel", "hazel"),
            ("a,ou=admins", "a\\,ou\\=admins"),
            (" a ", "\\ a\\ "),
            ("#1", "\\#1"),
            ("a\\b\"+<>;", "a\\\\b\\\"\\+\\<\\>\\;"),
            ("\0", "\\00"),
            ("é", "é"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }

    #[test]
    fn values_cannot_leave_their_filter() {
        for (value, expected) in
            [("hazel", "hazel"), ("*)(cn=*", "\\2a\\29\\28cn=\\2a"), ("a\\b\0", "a\\5cb\\00"), ("é", "é")]
        {
            assert_eq!(filtered(value), expected);
        }
    }
}
