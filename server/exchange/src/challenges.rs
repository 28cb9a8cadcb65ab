//! Challenges of certificate authorities (ACME, RFC 8555 §8.3), as plugins see them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// An answer that is being waited for.
pub type Pending = Pin<Box<dyn Future<Output = Result<Option<String>, ChallengeError>> + Send>>;

/// Why it is not known whether there is an answer: a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChallengeError(pub String);

impl ChallengeError {
    /// With this sentence.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

/// Knows what to prove to certificate authorities.
pub trait Challenges: Send + Sync {
    /// The key authorisation of an HTTP-01 challenge by its token; `None` where nobody expects one.
    fn answer(&self, token: &str) -> Pending;
}

/// For nodes and tests that order no certificates.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoChallenges;

impl Challenges for NoChallenges {
    fn answer(&self, _: &str) -> Pending {
        Box::pin(std::future::ready(Ok(None)))
    }
}
