//! The keys that secret values are encrypted with at rest.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt;

/// The fewest bytes of a secret.
pub const SHORTEST_SECRET: usize = 16;

/// What tells this use of a secret from any other.
const PURPOSE: &[u8] = b"silverback keyring 1";

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// A secret that can be guessed; counted from 1.
    #[error(
        "secret {0} of keyring_secret is shorter than {SHORTEST_SECRET} characters; `openssl rand -base64 32` makes one"
    )]
    Short(usize),
    /// The same twice; counted from 1.
    #[error("secret {0} of keyring_secret is there twice")]
    Twice(usize),
    /// The library refused.
    #[error("no key can be made of secret {0} of keyring_secret")]
    Derivation(usize),
}

/// What a value was not: encrypted with a key of the ring, for this place, and unchanged since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

struct Key {
    id: String,
    key: RandomizedNonceKey,
}

/// Keys made from secrets: the first encrypts, every one decrypts what it encrypted.
pub struct Keyring {
    keys: Vec<Key>,
    encrypts: bool,
}

impl Keyring {
    /// The keys of these secrets; none encrypts where there are none.
    ///
    /// # Errors
    /// Where a secret is too short, or there twice.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            if secret.chars().count() < SHORTEST_SECRET {
                return Err(KeyringError::Short(index + 1));
            }
            let key = Key::of(secret).ok_or(KeyringError::Derivation(index + 1))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyringError::Twice(index + 1));
            }
            keys.push(key);
        }
        Ok(Self { encrypts: !keys.is_empty(), keys })
    }

    /// The same keys, for reading: what is written is not encrypted.
    #[must_use]
    pub fn reading_only(self) -> Self {
        Self { encrypts: false, ..self }
    }

    /// Ids of the keys. They do not tell the secrets.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that encrypts.
    pub(crate) fn writes_with(&self) -> Option<&str> {
        self.keys.first().filter(|_| self.encrypts).map(|key| key.id.as_str())
    }

    /// Encrypts with the first key. `place` says what the value is, and is needed to decrypt it.
    pub(crate) fn seal(&self, clear: &[u8], place: &[u8]) -> Result<String, Broken> {
        let key = self.keys.first().ok_or(Broken)?;
        let mut text = clear.to_vec();
        let nonce = key.key.seal_in_place_append_tag(Aad::from(place), &mut text).map_err(|_| Broken)?;
        Ok(STANDARD_NO_PAD.encode([&nonce.as_ref()[..], &text].concat()))
    }

    /// Decrypts what the key with an id has encrypted; `None` where it is not on the ring.
    pub(crate) fn open(&self, id: &str, sealed: &str, place: &[u8]) -> Option<Result<Vec<u8>, Broken>> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        let opened = || {
            let mut text = STANDARD_NO_PAD.decode(sealed).ok()?;
            let nonce = Nonce::try_assume_unique_for_key(text.get(..NONCE_LEN)?).ok()?;
            let sealed = text.get_mut(NONCE_LEN..)?;
            Some(key.key.open_in_place(nonce, Aad::from(place), sealed).ok()?.to_vec())
        };
        Some(opened().ok_or(Broken))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Key {
    /// A secret may be a phrase that people remember, so guessing is made dear: Argon2id with 19 MiB and two passes (OWASP).
    /// The salt is the same for every database: nodes must come to the same key with nothing but the secret.
    fn of(secret: &str) -> Option<Self> {
        let params = Params::new(19 * 1024, 2, 1, Some(32)).ok()?;
        let mut root = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(secret.as_bytes(), PURPOSE, &mut root).ok()?;
        let root = Salt::new(HKDF_SHA256, PURPOSE).extract(&root);
        let (mut key, mut id) = ([0; 32], [0; 32]);
        root.expand(&[b"key"], HKDF_SHA256).and_then(|made| made.fill(&mut key)).ok()?;
        root.expand(&[b"id"], HKDF_SHA256).and_then(|made| made.fill(&mut id)).ok()?;
        let id = id[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { id, key: RandomizedNonceKey::new(&AES_256_GCM, &key).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const OLD: &str = "an old secret that was long enough";
    const NEW: &str = "a new secret that is long enough";

    static RING: LazyLock<Keyring> = LazyLock::new(|| Keyring::new([NEW, OLD]).unwrap());
    static BEFORE: LazyLock<Keyring> = LazyLock::new(|| Keyring::new([OLD]).unwrap());

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_only(clear in proptest::collection::vec(any::<u8>(), 0..80), flip in any::<prop::sample::Index>()) {
            let id = RING.writes_with().unwrap();
            let sealed = RING.seal(&clear, b"here").unwrap();
            prop_assert_eq!(RING.open(id, &sealed, b"here"), Some(Ok(clear.clone())));
            prop_assert_eq!(RING.open(id, &sealed, b"there"), Some(Err(Broken)));
            prop_assert_eq!(BEFORE.open(id, &sealed, b"here"), None);
            prop_assert_ne!(RING.seal(&clear, b"here").unwrap(), sealed.clone());
            let mut bytes = STANDARD_NO_PAD.decode(&sealed).unwrap();
            let at = flip.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert_eq!(RING.open(id, &STANDARD_NO_PAD.encode(bytes), b"here"), Some(Err(Broken)));
            // What an older secret sealed.
            let id = BEFORE.writes_with().unwrap();
            let sealed = BEFORE.seal(&clear, b"here").unwrap();
            prop_assert_eq!(RING.open(id, &sealed, b"here"), Some(Ok(clear)));
        }
    }

    #[test]
    fn secrets_are_checked() {
        assert_eq!(Keyring::new(["short"]).unwrap_err(), KeyringError::Short(1));
        assert_eq!(Keyring::new([OLD, NEW, OLD]).unwrap_err(), KeyringError::Twice(3));
        assert_eq!(Keyring::new([]).unwrap().writes_with(), None);
        for garbage in ["", "AAAA", "%", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(RING.open(RING.writes_with().unwrap(), garbage, b""), Some(Err(Broken)), "{garbage}");
        }
    }

    #[test]
    fn ids_stay_and_secrets_do_not_show() {
        // Whatever changes here makes databases unreadable.
        assert_eq!(format!("{:?}", *RING), "[\"d1dfc110\", \"e877bb59\"]");
        assert_eq!(Keyring::new([OLD]).unwrap().reading_only().writes_with(), None);
    }
}
