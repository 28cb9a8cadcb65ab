//! TLS on the side of the client.

mod acceptor;
mod asking;
mod clients;
mod default_certificate;
mod leading;
mod sessions;
mod settings;

pub use acceptor::{Acceptor, DefaultCertificate, Issued};
pub use clients::{ClientCheck, Demand};
pub use default_certificate::{DefaultError, generate, load, own};
pub use leading::Caller;
pub use settings::{TlsSettings, Versions};
