//! Random secrets, their digests and their slow hashes.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time, digest as sha, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// 19 MiB, two passes, one lane: the OWASP password storage recommendation for argon2id.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The slow hash of a password or token, in PHC format. Takes tens of milliseconds: not for a worker. `None` when the system
/// gives no random salt.
pub fn hash(secret: &str) -> Option<String> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).ok()?;
    argon2().hash_password_with_salt(secret.as_bytes(), &salt).ok().map(|hash| hash.to_string())
}

/// Whether `hash` is the slow hash of `secret`. As slow.
pub fn verify(secret: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(secret.as_bytes(), &hash).is_ok())
}

/// A new secret of 256 random bits, for URLs and cookies. `None` when the system gives no random bits.
pub fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The digest under which a secret of [`random`] is kept: it needs no slow hash, since it cannot be guessed.
pub fn digest(secret: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha::digest(&sha::SHA256, secret.as_bytes()))
}

/// Whether two texts are the same, in a time that tells nothing but their lengths.
pub fn same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_hash_fits_its_secret_alone() {
        let one = hash("correct horse").expect("random bits");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", &one));
        assert!(!verify("correct horsf", &one));
        assert!(!verify("", &one));
        assert!(!verify(&one, &one));
        assert!(!verify("correct horse", "$2b$09$"));
        assert_ne!(one, hash("correct horse").expect("random bits"));
    }

    #[test]
    fn random_secrets_differ() {
        assert_ne!(random(), random());
        assert_eq!(random().map(|secret| secret.len()), Some(43));
    }
}
