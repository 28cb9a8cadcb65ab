//! Checks of JSON Web Keys (RFC 7517, RFC 7518 §6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schema::{Map, Value};

const TEXTS: [&str; 23] = [
    "kid", "issuer", "kty", "use", "alg", "x5u", "x5t", "x5t#S256", "k", "x", "y", "crv", "n", "e", "d", "p", "q",
    "dp", "dq", "qi", "oth", "r", "t",
];
const LISTS: [&str; 2] = ["key_ops", "x5c"];

/// Whether a text is a key whose id is `kid`.
pub(crate) fn check(text: &str, kid: Option<&str>) -> Result<(), String> {
    let Ok(Value::Object(jwk)) = serde_json::from_str(text) else {
        return Err("could not json decode jwk string".to_owned());
    };
    let own = jwk.get("kid").and_then(Value::as_str);
    if own != kid {
        return Err("kid in jwk.kid must be equal to keys.kid".to_owned());
    }
    if !loads(&jwk) {
        return Err("could not load JWK, likely not a valid key".to_owned());
    }
    for (name, value) in &jwk {
        let error = if TEXTS.contains(&name.as_str()) {
            (!value.is_string()).then_some("expected a string")
        } else if LISTS.contains(&name.as_str()) {
            (!value.as_array().is_some_and(|items| items.iter().all(Value::is_string))).then_some("expected an array")
        } else {
            Some("unknown field")
        };
        if let Some(error) = error {
            return Err(format!("{name}: {error}"));
        }
    }
    Ok(())
}

fn loads(jwk: &Map<String, Value>) -> bool {
    let bytes = |name: &str| {
        let text = jwk.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty())
    };
    let curve = jwk.get("crv").and_then(Value::as_str);
    match jwk.get("kty").and_then(Value::as_str) {
        Some("RSA") => bytes("n").is_some() && bytes("e").is_some(),
        Some("EC") => {
            let length = match curve {
                Some("P-256" | "secp256k1") => 32,
                Some("P-384") => 48,
                Some("P-521") => 66,
                _ => return false,
            };
            ["x", "y"].iter().all(|name| bytes(name).is_some_and(|bytes| bytes.len() == length))
        }
        Some("OKP") => {
            let length = match curve {
                Some("Ed25519" | "X25519") => 32,
                Some("Ed448") => 57,
                Some("X448") => 56,
                _ => return false,
            };
            bytes("x").or_else(|| bytes("d")).is_some_and(|bytes| bytes.len() == length)
        }
        Some("oct") => bytes("k").is_some(),
        _ => false,
    }
}
