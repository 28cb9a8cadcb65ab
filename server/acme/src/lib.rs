//! Certificates by ACME (RFC 8555): orders with HTTP-01 challenges, accounts, renewal, and the storages that nodes
//! share them by.
//!
//! Invariants: knows no plugin and opens no connection; who orders waits, on a runtime that is not a worker's; no key
//! and no secret reaches a log.

mod account;
mod certificate;
mod desk;
mod order;
mod storage;
mod transport;

pub use account::{KeyError, account_key_of_jwk, account_key_of_pem};
pub use certificate::{CertificateError, Facts};
pub use desk::{Certificates, Desk, InStorage, Issued};
pub use order::{AcmeError, Authority, CertKey, KeyKind};
pub use storage::{Memory, RedisStorage, Storage, StorageError, Waiting};
