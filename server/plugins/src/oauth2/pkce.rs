//! Proof Key for Code Exchange (RFC 7636).

use super::config::Pkce;
use super::parameters::{Parameters, Refusal};
use crate::auth;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exchange::Credential;

/// Whether an application must use it.
pub fn is_required(mode: Option<Pkce>, client: &Credential) -> bool {
    match mode.unwrap_or(Pkce::Lax) {
        Pkce::None => false,
        Pkce::Lax => is_public(client),
        Pkce::Strict => true,
    }
}

/// Whether an application cannot keep a secret.
pub fn is_public(client: &Credential) -> bool {
    client.text("client_type") == Some("public")
}

/// The challenge that a code is bound to.
pub fn challenge(parameters: &Parameters, mode: Option<Pkce>, client: &Credential) -> Result<Option<String>, Refusal> {
    let method = parameters.text("code_challenge_method");
    match parameters.text("code_challenge").filter(|challenge| !challenge.is_empty()) {
        None if is_required(mode, client) => {
            let kind = client.text("client_type").unwrap_or("confidential");
            Err(Refusal::new("invalid_request", format!("code_challenge is required for {kind} clients")))
        }
        None if method.is_some() => {
            Err(Refusal::new("invalid_request", "code_challenge is required when code_method is present"))
        }
        None => Ok(None),
        Some(_) if method.is_some_and(|method| method != "S256") => {
            Err(Refusal::new("invalid_request", "code_challenge_method is not supported, must be S256"))
        }
        Some(challenge) => Ok(Some(challenge.to_owned())),
    }
}

/// Whether who presents a code is who asked for it.
pub fn verify(parameters: &Parameters, challenge: Option<&str>) -> Result<(), Refusal> {
    let Some(verifier) = parameters.text("code_verifier") else {
        return Err(Refusal::new("invalid_request", "code_verifier is required for PKCE authorization requests"));
    };
    if !(43..=128).contains(&verifier.len()) {
        return Err(Refusal::new("invalid_request", "code_verifier must be between 43 and 128 characters"));
    }
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    match challenge {
        Some(challenge) if auth::same(made.as_bytes(), challenge.as_bytes()) => Ok(()),
        _ => Err(Refusal::bare("invalid_grant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(kind: &str) -> Credential {
        let mut client = Credential::default();
        client.record.insert("client_type".into(), kind.into());
        client
    }

    #[test]
    fn challenges_are_asked_of_whom_the_mode_says() {
        for (mode, kind, given, outcome) in [
            (Pkce::Lax, "public", json!({}), Err("code_challenge is required for public clients")),
            (Pkce::Lax, "confidential", json!({}), Ok(None)),
            (Pkce::Strict, "confidential", json!({}), Err("code_challenge is required for confidential clients")),
            (Pkce::None, "public", json!({}), Ok(None)),
            (Pkce::None, "public", json!({ "code_challenge": "c" }), Ok(Some("c"))),
            (Pkce::Lax, "public", json!({ "code_challenge": "c", "code_challenge_method": "S256" }), Ok(Some("c"))),
            (
                Pkce::Lax,
                "public",
                json!({ "code_challenge": "c", "code_challenge_method": "plain" }),
                Err("code_challenge_method is not supported, must be S256"),
            ),
            (
                Pkce::Lax,
                "confidential",
                json!({ "code_challenge_method": "S256" }),
                Err("code_challenge is required when code_method is present"),
            ),
        ] {
            let seen = challenge(&given.clone().into(), Some(mode), &client(kind));
            let expected = outcome
                .map(|challenge| challenge.map(str::to_owned))
                .map_err(|description| Refusal::new("invalid_request", description));
            assert_eq!(seen, expected, "{mode:?} {kind} {given}");
        }
    }

    #[test]
    fn verifiers_must_fit_the_challenge() {
        // The example of RFC 7636, appendix B.
        let (verifier, fits) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let invalid = |description: &str| Err(Refusal::new("invalid_request", description));
        for (given, challenge, outcome) in [
            (json!({ "code_verifier": verifier }), Some(fits), Ok(())),
            (json!({ "code_verifier": verifier }), Some("other"), Err(Refusal::bare("invalid_grant"))),
            (json!({ "code_verifier": verifier }), None, Err(Refusal::bare("invalid_grant"))),
            (json!({}), Some(fits), invalid("code_verifier is required for PKCE authorization requests")),
            (
                json!({ "code_verifier": "short" }),
                Some(fits),
                invalid("code_verifier must be between 43 and 128 characters"),
            ),
        ] {
            assert_eq!(verify(&given.clone().into(), challenge), outcome, "{given}");
        }
    }
}
