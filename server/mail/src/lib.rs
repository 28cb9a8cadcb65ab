//! Mails to people: written here, brought to a mail server by SMTP (RFC 5321) by the node's `Shipper`.
//!
//! Whoever has a mail to send leaves it and goes on. Mails wait in bounded memory and are tried for a while; nothing is
//! kept over a restart.

mod message;
mod outgoing;
mod settings;

pub use outgoing::Outgoing;
pub use settings::{Auth, MailError, Scheme, Security, Settings};
