//! TLS on the side of the client.

mod acceptor;
mod asking;
mod default_certificate;
mod settings;

pub(crate) use acceptor::session_of;
pub use acceptor::{Acceptor, DefaultCertificate, Issued};
pub use default_certificate::{DefaultError, generate, load, own};
pub use settings::{TlsSettings, Versions};
