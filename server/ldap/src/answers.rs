//! What directories said a moment ago, within a bound of memory.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use exchange::ldap::LdapServer;
use moka::sync::Cache;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

/// Answers that are kept at most.
const MOST: u64 = 100_000;

/// A question's name: a keyed hash, so that no password stays in memory.
pub type Name = [u8; 32];

/// Answers by question.
pub struct Answers {
    key: hmac::Key,
    kept: Cache<Name, (bool, Instant)>,
}

/// Collects what is hashed.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn finish(&self) -> u64 {
        0
    }
}

impl Answers {
    /// None yet. Errors where the system has no randomness.
    pub fn new() -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| "the system has no randomness".to_owned())?;
        Ok(Self { key, kept: Cache::new(MOST) })
    }

    /// The name of a question.
    pub fn name(&self, server: &LdapServer, dn: &str, password: &str) -> Name {
        let mut bytes = Bytes(Vec::with_capacity(128));
        (server, dn, password).hash(&mut bytes);
        let tag = hmac::sign(&self.key, &bytes.0);
        let mut name = Name::default();
        name.copy_from_slice(&tag.as_ref()[..32]);
        name
    }

    /// What was said, if it still counts.
    pub fn get(&self, name: &Name) -> Option<bool> {
        let (said, until) = self.kept.get(name)?;
        (Instant::now() < until).then_some(said)
    }

    /// Keeps what was said.
    pub fn keep(&self, name: Name, said: bool, time: Duration) {
        if let Some(until) = Instant::now().checked_add(time)
            && !time.is_zero()
        {
            self.kept.insert(name, (said, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::ldap::LdapSecurity;

    #[test]
    fn answers_are_kept_by_server_name_and_password() {
        let answers = Answers::new().expect("randomness");
        let server = |port| LdapServer {
            host: "d.test".into(),
            port,
            security: LdapSecurity::None,
            verify: false,
            timeout: Duration::from_secs(1),
            keepalive: Duration::from_secs(1),
        };
        let name = answers.name(&server(389), "cn=a", "b");
        for other in [
            answers.name(&server(390), "cn=a", "b"),
            answers.name(&server(389), "cn=", "ab"),
            answers.name(&server(389), "cn=a", "c"),
        ] {
            assert_ne!(name, other);
        }
        answers.keep(name, false, Duration::ZERO);
        assert_eq!(answers.get(&name), None);
        answers.keep(name, false, Duration::from_secs(600));
        assert_eq!(answers.get(&answers.name(&server(389), "cn=a", "b")), Some(false));
        answers.keep(name, true, Duration::from_secs(600));
        assert_eq!(answers.get(&name), Some(true));
    }
}
