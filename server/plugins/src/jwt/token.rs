//! A JSON Web Token in compact serialization (RFC 7515 §7.1), taken apart; nothing is verified here.

use super::signature::Algorithm;
use crate::auth;
use serde_json::{Map, Value};

/// Why a text is no token; the messages are those of Kong's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Three parts of base64 and JSON they are not.
    #[error("invalid JSON")]
    Json,
    /// `typ` is something else than `JWT`.
    #[error("invalid typ")]
    Type,
    /// `alg` is none that is known.
    #[error("invalid alg")]
    Algorithm,
    /// The signature is not in base64.
    #[error("invalid signature")]
    Signature,
}

/// A token. Claims that are no object have no members.
#[derive(Debug)]
pub struct Token {
    /// Length of the first two parts with the dot between: what is signed.
    pub signed: usize,
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The algorithm its header names.
    pub algorithm: Algorithm,
    /// The signature, decoded.
    pub signature: Vec<u8>,
}

impl Token {
    /// Takes a text apart.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let mut parts = text.splitn(3, |byte| *byte == b'.');
        let (Some(head), Some(body), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Json);
        };
        let Value::Object(header) = json(head)? else { return Err(TokenError::Algorithm) };
        let claims = match json(body)? {
            Value::Object(claims) => claims,
            _ => Map::new(),
        };
        if let Some(kind) = header.get("typ")
            && !kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("jwt"))
        {
            return Err(TokenError::Type);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::of);
        let algorithm = algorithm.ok_or(TokenError::Algorithm)?;
        let signature = auth::base64(signature).ok_or(TokenError::Signature)?;
        Ok(Self { signed: head.len() + 1 + body.len(), header, claims, algorithm, signature })
    }

    /// What names the key: a claim, else a member of the header. `false` counts as absent.
    pub fn member(&self, name: &str) -> Option<&Value> {
        let present = |value: &&Value| **value != Value::Bool(false);
        self.claims.get(name).filter(present).or_else(|| self.header.get(name).filter(present))
    }
}

fn json(part: &[u8]) -> Result<Value, TokenError> {
    serde_json::from_slice(&auth::base64(part).ok_or(TokenError::Json)?).map_err(|_| TokenError::Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn text(header: &str, claims: &str, signature: &str) -> String {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn texts_are_taken_apart() {
        for (text, outcome) in [
            (text(r#"{"alg":"HS256"}"#, r#"{"iss":"a"}"#, "AAAA"), Ok("a")),
            (text(r#"{"alg":"HS256","typ":"jwt"}"#, r#"{"iss":"a"}"#, "AA=="), Ok("a")),
            (text(r#"{"alg":"HS256","iss":"b"}"#, "[1]", ""), Ok("b")),
            (text(r#"{"alg":"HS256","iss":"b"}"#, r#"{"iss":false}"#, ""), Ok("b")),
            (text(r#"{"alg":"none"}"#, "{}", ""), Err(TokenError::Algorithm)),
            (text(r#"{"alg":1}"#, "{}", ""), Err(TokenError::Algorithm)),
            (text("{}", "{}", ""), Err(TokenError::Algorithm)),
            (text("7", "{}", ""), Err(TokenError::Algorithm)),
            (text(r#"{"alg":"HS256","typ":"JWE"}"#, "{}", ""), Err(TokenError::Type)),
            (text(r#"{"alg":"HS256"}"#, "{}", "AA.AA"), Err(TokenError::Signature)),
            (text(r#"{"alg":"HS256"}"#, "{", "AA"), Err(TokenError::Json)),
            ("just-words".into(), Err(TokenError::Json)),
            ("aaaa.bbbb.cccc".into(), Err(TokenError::Json)),
            ("..".into(), Err(TokenError::Json)),
            (String::new(), Err(TokenError::Json)),
        ] {
            let parsed = Token::parse(text.as_bytes());
            let shown = parsed.as_ref().map(|token| token.member("iss").and_then(Value::as_str).unwrap_or_default());
            assert_eq!(shown.map_err(|error| *error), outcome, "{text}");
            if let Ok(token) = parsed {
                assert_eq!(token.signed, text.rfind('.').unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Token::parse(&text);
        }
    }
}
