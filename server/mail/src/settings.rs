//! Where mails go out, and as whom.

use lettre::address::AddressError;
use std::fmt;
use std::time::Duration;

/// Why a mail cannot be sent, now or ever.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address is none.
    #[error("'{address}' is not an address of mail: {cause}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        cause: AddressError,
    },
    /// A mail that cannot be written down.
    #[error("a mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// What TLS needs is not there.
    #[error("the mail server cannot be spoken to over TLS: {0}")]
    Tls(lettre::transport::smtp::Error),
}

/// What protects the connection to the mail server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    #[default]
    None,
    /// TLS after STARTTLS (RFC 3207), which the server must offer.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// How one signs in to the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// AUTH PLAIN (RFC 4616).
    Plain,
    /// AUTH LOGIN.
    Login,
}

/// Who signs in to the mail server.
#[derive(Clone)]
pub struct Auth {
    /// How.
    pub scheme: Scheme,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).field("user", &self.user).finish_non_exhaustive()
    }
}

/// The mail server and the sender: Kong's `smtp_*` and `admin_emails_*`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Protection of the connection.
    pub security: Security,
    /// Signing in; none where the server wants none.
    pub auth: Option<Auth>,
    /// The name this host gives itself, in EHLO and in `Message-ID`.
    pub domain: String,
    /// For connecting, and for each answer of the server.
    pub step: Duration,
    /// For all of a mail.
    pub whole: Duration,
    /// Sender.
    pub from: String,
    /// Where answers go, where that is another address.
    pub reply_to: Option<String>,
    /// Certificates (DER) of the authorities that may vouch for the server; empty: those that Mozilla trusts.
    pub authorities: Vec<Vec<u8>>,
}
