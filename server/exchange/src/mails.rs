//! Mails to people, as those see them who have something to say.

use serde::{Deserialize, Serialize};

/// A mail to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Address.
    pub to: String,
    /// Subject; line ends in it become part of no header.
    pub subject: String,
    /// Text, lines ended by `\n`.
    pub text: String,
}

/// Sends mails.
pub trait Mailer: Send + Sync {
    /// Takes a mail and goes on; what becomes of it is the log's.
    fn send(&self, mail: Mail);
}
