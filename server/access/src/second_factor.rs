//! One-time codes as a second factor: TOTP (RFC 6238), six digits every thirty seconds, as authenticator apps make them.

use crate::secret::same;
use aws_lc_rs::rand;
use totp_rs::{Algorithm, Secret, TOTP};

/// Seconds that a code is shown.
const STEP: u64 = 30;
/// How many steps a clock may be wrong, either way.
const SKEW: u64 = 1;

/// What makes the codes of one admin.
pub struct SecondFactor(TOTP);

impl SecondFactor {
    /// A new secret of 160 random bits (RFC 4226 §4), in base32. `None` when the system gives no random bits.
    pub fn secret() -> Option<String> {
        let mut bytes = vec![0; 20];
        rand::fill(&mut bytes).ok()?;
        Some(Secret::Raw(bytes).to_encoded().to_string())
    }

    /// From a secret in base32. `None` when it is none.
    pub fn of(secret: &str) -> Option<SecondFactor> {
        let bytes = Secret::Encoded(secret.to_owned()).to_bytes().ok()?;
        TOTP::new(Algorithm::SHA1, 6, 0, STEP, bytes).ok().map(SecondFactor)
    }

    /// The number of the step whose code this is at `now` (seconds since 1970), when it is later than `after`: no code counts
    /// twice.
    pub fn step(&self, code: &str, now: u64, after: Option<u64>) -> Option<u64> {
        let at = now / STEP;
        let steps = at.saturating_sub(SKEW)..=at.saturating_add(SKEW);
        // Every code is compared, so that time does not tell which one it was.
        let mut found = None;
        for step in steps {
            if same(&self.0.generate(step * STEP), code) && after.is_none_or(|after| step > after) {
                found = Some(step);
            }
        }
        found
    }
}

/// The address that authenticator apps read, often from a picture.
pub fn authenticator_url(issuer: &str, name: &str, secret: &str) -> String {
    let (issuer, name) = (escaped(issuer), escaped(name));
    format!("otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP}")
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the secret of RFC 6238's test vectors.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_specification() {
        let factor = SecondFactor::of(SECRET).expect("a secret");
        // RFC 6238 appendix B, the last six of its eight digits.
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(factor.step(code, at, None), Some(at / 30), "{at}");
            assert_eq!(factor.step(code, at + 30, None), Some(at / 30), "a slow clock");
            assert_eq!(factor.step(code, at - 30, None), Some(at / 30), "a fast clock");
            assert_eq!(factor.step(code, at + 60, None), None, "a code that is over");
            assert_eq!(factor.step(code, at, Some(at / 30)), None, "a code that was used");
            assert_eq!(factor.step(code, at, Some(at / 30 - 1)), Some(at / 30));
        }
        for wrong in ["", "28708", "2870822", "000000", " 287082", "٢٨٧٠٨٢"] {
            assert_eq!(factor.step(wrong, 59, None), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_random_and_readable() {
        let (one, other) = (SecondFactor::secret().expect("bits"), SecondFactor::secret().expect("bits"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert!(SecondFactor::of(&one).is_some() && SecondFactor::of("not base32!").is_none());
        let url = authenticator_url("Silverback", "amy & co", &one);
        assert!(url.starts_with("otpauth://totp/Silverback:amy%20%26%20co?secret="), "{url}");
    }
}
