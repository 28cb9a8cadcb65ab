//! Sealed text: what only a holder of the secret can read or make.

use crate::auth;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Names the format, so that another one can follow.
const FORMAT: u8 = 1;

/// A key for sealing, from a secret.
pub struct Seal(RandomizedNonceKey);

impl Seal {
    /// The key of a secret. Errors where the cryptographic library has no AES.
    pub fn new(secret: &str) -> Result<Self, String> {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), b"session");
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).map(Self).map_err(|_| "AES-256-GCM is missing".to_owned())
    }

    /// Seals bytes for one purpose; letters, digits, `-` and `_`.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> Option<String> {
        let mut sealed = bytes.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(purpose), &mut sealed).ok()?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(FORMAT);
        out.extend_from_slice(nonce.as_ref());
        out.extend_from_slice(&sealed);
        Some(URL_SAFE_NO_PAD.encode(out))
    }

    /// What was sealed for that purpose with the same secret.
    pub fn open(&self, purpose: &str, text: &[u8]) -> Option<Vec<u8>> {
        let bytes = auth::base64(text)?;
        let (FORMAT, rest) = bytes.split_first().map(|(format, rest)| (*format, rest))? else { return None };
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        self.0.open_in_place(nonce, Aad::from(purpose), &mut sealed).ok().map(|opened| opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_secret_and_purpose_alone(bytes in proptest::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
            let (seal, other) = (Seal::new("walnut").unwrap(), Seal::new("almond").unwrap());
            let text = seal.seal("cookie", &bytes).unwrap();
            prop_assert_eq!(seal.open("cookie", text.as_bytes()), Some(bytes));
            prop_assert_eq!(seal.open("remember", text.as_bytes()), None);
            prop_assert_eq!(other.open("cookie", text.as_bytes()), None);
            let mut broken = text.into_bytes();
            let index = at.index(broken.len() - 1);
            broken[index] = if broken[index] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(seal.open("cookie", &broken), None);
        }

        #[test]
        fn any_text_is_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(Seal::new("walnut").unwrap().open("cookie", &text), None);
        }
    }
}
