//! What an `Authorization: hmac …` header says, and the signatures of it (draft-cavage-http-signatures).

use crate::auth;
use aws_lc_rs::hmac;
use exchange::Exchange;
use regex::bytes::Regex;
use std::sync::LazyLock;

static PARAMETERS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?-u)[Hh]mac\s*username="(.+)",\s*algorithm="(.+)",\s*headers="(.+)",\s*signature="(.+)""#;
    Regex::new(pattern).expect("a pattern that is always the same")
});

/// The algorithms, by the names they have in headers and options.
pub const ALGORITHMS: [(&str, hmac::Algorithm); 4] = [
    ("hmac-sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    ("hmac-sha256", hmac::HMAC_SHA256),
    ("hmac-sha384", hmac::HMAC_SHA384),
    ("hmac-sha512", hmac::HMAC_SHA512),
];

/// The parameters of a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Presented {
    /// Name of the credential.
    pub username: String,
    /// Name of the algorithm.
    pub algorithm: String,
    /// What was signed, in this order.
    pub headers: Vec<String>,
    /// The signature, in base64.
    pub signature: Vec<u8>,
}

impl Presented {
    /// Reads a header's value; `None` where one of the parameters is missing.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let captures = PARAMETERS.captures(value)?;
        let text = |index: usize| captures.get(index).and_then(|part| std::str::from_utf8(part.as_bytes()).ok());
        Some(Self {
            username: text(1)?.to_owned(),
            algorithm: text(2)?.to_owned(),
            headers: text(3)?.split(' ').map(str::to_owned).collect(),
            signature: captures.get(4)?.as_bytes().to_vec(),
        })
    }

    /// Whether the signature is that of the request by this secret. The comparison takes the same time always.
    pub fn verify(&self, exchange: &Exchange, secret: &[u8]) -> bool {
        let known = ALGORITHMS.iter().find(|(name, _)| *name == self.algorithm);
        let (Some((_, algorithm)), Some(given)) = (known, auth::base64(&self.signature)) else { return false };
        hmac::verify(&hmac::Key::new(*algorithm, secret), &signed(exchange, &self.headers), &given).is_ok()
    }
}

/// The text that is signed: a line per name. A header that is absent counts as empty; `@request-target` and
/// `request-line` stand for the request itself unless there is a header of that name.
fn signed(exchange: &Exchange, names: &[String]) -> Vec<u8> {
    let request = &exchange.request;
    let mut out = Vec::with_capacity(names.len() * 48);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        match (request.headers.get(name), name.as_str()) {
            (Some(value), _) => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
            }
            (None, "@request-target") => {
                out.extend_from_slice(b"@request-target: ");
                out.extend(request.method.iter().map(u8::to_ascii_lowercase));
                out.push(b' ');
                out.extend_from_slice(&request.target);
            }
            (None, "request-line") => {
                out.extend_from_slice(&request.method);
                out.push(b' ');
                out.extend_from_slice(&request.target);
                out.extend_from_slice(b" HTTP/");
                out.extend_from_slice(request.version.as_str().as_bytes());
                if !request.version.as_str().contains('.') {
                    out.extend_from_slice(b".0");
                }
            }
            (None, _) => {
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, request};
    use proptest::prelude::*;

    #[test]
    fn header_values_are_read() {
        let presented = |username: &str, headers: &[&str]| Presented {
            username: username.into(),
            algorithm: "hmac-sha256".into(),
            headers: headers.iter().map(|name| (*name).to_owned()).collect(),
            signature: b"QQ==".to_vec(),
        };
        for (value, expected) in [
            (
                r#"hmac username="q", algorithm="hmac-sha256", headers="date x", signature="QQ==""#,
                Some(presented("q", &["date", "x"])),
            ),
            (
                r#"Hmac username="q",algorithm="hmac-sha256",headers="date",signature="QQ==""#,
                Some(presented("q", &["date"])),
            ),
            (
                r#"hmacusername="a\"b", algorithm="hmac-sha256", headers="d", signature="QQ==""#,
                Some(presented("a\\\"b", &["d"])),
            ),
            (r#"hmac algorithm="hmac-sha256", username="q", headers="date", signature="QQ==""#, None),
            (r#"hmac username="q", algorithm="hmac-sha256", signature="QQ==""#, None),
            (r#"HMAC username="q", algorithm="hmac-sha256", headers="d", signature="QQ==""#, None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(Presented::parse(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn the_signed_text_names_what_there_is() {
        let headers = [("Date", "today"), ("X-Lot", "17"), ("X-Lot", "18")];
        let exchange = request("POST", "/a?b=1", &headers, People::new(Manner::Knows));
        let names = ["date", "X-lot", "absent", "@request-target", "request-line"].map(str::to_owned);
        let expected = "date: today\nX-lot: 17\nabsent:\n@request-target: post /a?b=1\nPOST /a?b=1 HTTP/1.1";
        assert_eq!(String::from_utf8(signed(&exchange, &names)).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            Presented::parse(&value);
        }
    }
}
