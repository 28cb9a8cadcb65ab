//! Secrets of applications, in clear or as hashes.

use crate::auth;
use aws_lc_rs::pbkdf2;
use std::num::NonZeroU32;

/// More iterations than this are not worked through for anybody.
const MOST: u32 = 1_000_000;

/// Whether a secret is the stored one. A hash is `$pbkdf2-sha512$i=10000,l=32$salt$key`, both in base64.
pub fn verify(given: &str, stored: &str, hashed: bool) -> bool {
    if hashed { derive(given, stored).unwrap_or(false) } else { auth::same(given.as_bytes(), stored.as_bytes()) }
}

fn derive(given: &str, stored: &str) -> Option<bool> {
    let mut parts = stored.strip_prefix("$pbkdf2-")?.split('$');
    let digest = match parts.next()? {
        "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
        "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
        "sha384" => pbkdf2::PBKDF2_HMAC_SHA384,
        "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return None,
    };
    let rounds = parts.next()?.split(',').find_map(|option| option.strip_prefix("i="))?.parse().ok()?;
    let rounds = NonZeroU32::new(rounds).filter(|rounds| rounds.get() <= MOST)?;
    let (salt, key) = (auth::base64(parts.next()?.as_bytes())?, auth::base64(parts.next()?.as_bytes())?);
    if key.is_empty() {
        return None;
    }
    Some(pbkdf2::verify(digest, rounds, &salt, given.as_bytes(), &key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_compared_with_what_is_stored() {
        // PBKDF2-HMAC-SHA512 and -SHA1 ("password", "salt"); the latter is the vector of RFC 6070.
        let sha512 = "$pbkdf2-sha512$i=1,l=32$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lI";
        let sha1 = "$pbkdf2-sha1$i=2,l=20$c2FsdA==$6mwBTcctb4zNHtkqzh1B8NjeiVc=";
        for (given, stored, hashed, same) in [
            ("walnut", "walnut", false, true),
            ("walnut", "walnu", false, false),
            ("", "walnut", false, false),
            ("password", sha512, true, true),
            ("passwort", sha512, true, false),
            ("password", sha1, true, true),
            (sha512, sha512, true, false),
            ("password", "password", true, false),
            ("password", "$pbkdf2-sha512$i=0$c2FsdA$AAAA", true, false),
            ("password", "$pbkdf2-sha512$i=4000000000$c2FsdA$AAAA", true, false),
            ("password", "$pbkdf2-sha512$i=1$c2FsdA$", true, false),
        ] {
            assert_eq!(verify(given, stored, hashed), same, "{given} {stored}");
        }
    }

    proptest! {
        #[test]
        fn any_hash_is_read_without_panic(stored in "[$,=i1a-z]{0,40}") {
            verify("password", &format!("$pbkdf2-sha256${stored}"), true);
        }
    }
}
