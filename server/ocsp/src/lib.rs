//! OCSP stapling: what a certificate that must be stapled is shown with in handshakes (RFC 6960, RFC 6066 §8, RFC 7633).
//!
//! Invariants: opens no connection (who asks responders is passed in); what a handshake needs of it takes no lock; nothing
//! is stapled that was not checked, and nothing whose time is over.

mod response;
mod schedule;
mod staples;
mod subject;
#[cfg(test)]
mod testing;

pub use response::{Refused, Staple, check};
pub use staples::{Figures, Fingerprint, Shown, Slot, Staples};
pub use subject::{Subject, SubjectError, must_be_stapled};
