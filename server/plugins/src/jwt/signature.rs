//! Signatures of tokens by the algorithms of RFC 7518 §3.1 and RFC 8037.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use entities::crypto::{self, KeyKind, PublicKey};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

/// An algorithm of `jwt_secrets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// One that the token library has.
    Common(jsonwebtoken::Algorithm),
    /// ECDSA over P-521 with SHA-512.
    Es512,
}

impl Algorithm {
    /// By its registered name.
    pub fn of(name: &str) -> Option<Self> {
        if name == "ES512" {
            return Some(Self::Es512);
        }
        name.parse().ok().map(Self::Common)
    }

    /// Whether both sides hold the same secret.
    pub fn is_symmetric(self) -> bool {
        use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
        matches!(self, Self::Common(HS256 | HS384 | HS512))
    }

    /// Whether a signature over `message` is good. `key` is the secret, or for the asymmetric algorithms a key in PEM
    /// form, the public one or the private one; a key of another kind verifies nothing.
    pub fn verify(self, key: &[u8], message: &[u8], signature: &Vec<u8>) -> bool {
        if self.is_symmetric() {
            return self.check(&DecodingKey::from_secret(key), message, signature);
        }
        let Ok(text) = std::str::from_utf8(key) else { return false };
        let Ok(PublicKey { kind, bits }) = crypto::public_key(text).or_else(|_| crypto::private_key(text)) else {
            return false;
        };
        match (self, kind) {
            (Self::Es512, KeyKind::Ec) => {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, bits).verify(message, signature).is_ok()
            }
            (_, KeyKind::Rsa) => self.check(&DecodingKey::from_rsa_der(&bits), message, signature),
            (_, KeyKind::Ec) => self.check(&DecodingKey::from_ec_der(&bits), message, signature),
            (_, KeyKind::Ed25519) => self.check(&DecodingKey::from_ed_der(&bits), message, signature),
            (_, KeyKind::Other) => false,
        }
    }

    fn check(self, key: &DecodingKey, message: &[u8], signature: &Vec<u8>) -> bool {
        let Self::Common(algorithm) = self else { return false };
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA384, RSA_PSS_SHA512, RsaKeyPair,
    };
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const MESSAGE: &[u8] = b"header.claims";

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// A key of every kind, with a signature: name, public PEM, private PEM, signature.
    fn signed() -> Vec<(&'static str, String, String, Vec<u8>)> {
        let random = SystemRandom::new();
        let mut out = Vec::new();
        for (name, curve) in [
            ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let pair = EcdsaKeyPair::generate(curve).unwrap();
            let public = pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
            let private = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
            out.push((name, public, private, pair.sign(&random, MESSAGE).unwrap().as_ref().to_vec()));
        }
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
        let private = pem("PRIVATE KEY", pair.to_pkcs8().unwrap().as_ref());
        out.push(("EdDSA", public, private, pair.sign(MESSAGE).as_ref().to_vec()));
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let (public, private) = (pem("PUBLIC KEY", public.as_ref()), pem("PRIVATE KEY", private.as_ref()));
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA384, &random, MESSAGE, &mut signature).unwrap();
        out.push(("RS384", public.clone(), private.clone(), signature.clone()));
        pair.sign(&RSA_PSS_SHA512, &random, MESSAGE, &mut signature).unwrap();
        out.push(("PS512", public, private, signature));
        out
    }

    #[test]
    fn signatures_are_good_for_their_key_algorithm_and_message_alone() {
        let all = signed();
        for (name, public, private, signature) in &all {
            let algorithm = Algorithm::of(name).unwrap();
            assert!(algorithm.verify(public.as_bytes(), MESSAGE, signature), "{name}");
            assert!(algorithm.verify(private.as_bytes(), MESSAGE, signature), "{name} by the private key");
            assert!(!algorithm.verify(public.as_bytes(), b"header.other", signature), "{name}");
            assert!(!algorithm.verify(public.as_bytes(), MESSAGE, &Vec::new()), "{name}");
            assert!(!algorithm.verify(b"no key", MESSAGE, signature), "{name}");
            for (other, _, _, _) in all.iter().filter(|(other, ..)| other != name) {
                assert!(!Algorithm::of(other).unwrap().verify(public.as_bytes(), MESSAGE, signature), "{name} {other}");
            }
        }
    }

    #[test]
    fn secrets_sign_by_the_digest_that_is_named() {
        for (name, digest) in [
            ("HS256", aws_lc_rs::hmac::HMAC_SHA256),
            ("HS384", aws_lc_rs::hmac::HMAC_SHA384),
            ("HS512", aws_lc_rs::hmac::HMAC_SHA512),
        ] {
            let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(digest, b"walnut"), MESSAGE);
            let algorithm = Algorithm::of(name).unwrap();
            assert!(algorithm.is_symmetric());
            assert!(algorithm.verify(b"walnut", MESSAGE, &tag.as_ref().to_vec()));
            assert!(!algorithm.verify(b"almond", MESSAGE, &tag.as_ref().to_vec()));
        }
        for name in ["none", "hs256", "ES521", ""] {
            assert_eq!(Algorithm::of(name), None);
        }
    }
}
