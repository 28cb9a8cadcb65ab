//! RBAC tokens: found by a short digest, proven by a slow hash, which is worked out once.

use crate::policy::Bearer;
use aws_lc_rs::{digest, hmac, rand};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// How many proven tokens are remembered.
const REMEMBERED: usize = 10_000;

/// What a token's user is looked up by: five hexadecimal digits of its digest.
pub fn ident(token: &str) -> String {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let digits: String = digest.as_ref().iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    digits[..5].to_owned()
}

/// Tokens that were proven since the process began. What is remembered is keyed with a random key, so that neither memory
/// nor the time of a look-up tells a token.
#[derive(Debug)]
pub struct Tokens {
    key: hmac::Key,
    proven: RwLock<HashMap<[u8; 32], Bearer, foldhash::fast::RandomState>>,
}

impl Tokens {
    /// None proven. `None` when the system gives no random bits.
    pub fn new() -> Option<Tokens> {
        let mut key = [0; 32];
        rand::fill(&mut key).ok()?;
        Some(Tokens { key: hmac::Key::new(hmac::HMAC_SHA256, &key), proven: RwLock::default() })
    }

    fn mark(&self, token: &str, hash: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(hash.as_bytes());
        context.update(&[0]);
        context.update(token.as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    /// The one among `candidates` (with the hashes of their tokens) whose token this is known to be.
    pub fn known<'h>(&self, token: &str, candidates: impl IntoIterator<Item = (Bearer, &'h str)>) -> Option<Bearer> {
        let proven = self.proven.read().unwrap_or_else(PoisonError::into_inner);
        candidates
            .into_iter()
            .find(|(bearer, hash)| proven.get(&self.mark(token, hash)) == Some(bearer))
            .map(|(bearer, _)| bearer)
    }

    /// Remembers that a token was proven with its slow hash ([`crate::verify`]).
    pub fn remember(&self, token: &str, bearer: Bearer, hash: &str) {
        let mut proven = self.proven.write().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= REMEMBERED {
            proven.clear();
        }
        proven.insert(self.mark(token, hash), bearer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_proven_token_is_known_until_its_hash_changes() {
        let tokens = Tokens::new().expect("random bits");
        let (ann, bob) = (Bearer::User(Uuid::from_u128(1)), Bearer::Token(Uuid::from_u128(1)));
        let (old, new, bobs) = ("h1".to_owned(), "h2".to_owned(), "h3".to_owned());
        assert_eq!(tokens.known("t", [(ann, old.as_str())]), None);
        tokens.remember("t", ann, &old);
        assert_eq!(tokens.known("t", [(bob, bobs.as_str()), (ann, old.as_str())]), Some(ann));
        assert_eq!(tokens.known("t", [(ann, new.as_str())]), None);
        assert_eq!(tokens.known("t", [(bob, old.as_str())]), None);
        assert_eq!(tokens.known("x", [(ann, old.as_str())]), None);
        assert_eq!(ident("t").len(), 5);
    }
}
