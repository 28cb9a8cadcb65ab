//! Where a client is sent back to, with what it is told.

use exchange::form;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// Adds parameters to a URI: to its query, or as its fragment. One that the query has already is replaced.
pub fn with(uri: &str, parameters: &Map<String, Value>, fragment: bool) -> String {
    let (uri, _) = uri.split_once('#').unwrap_or((uri, ""));
    let (place, query) = uri.split_once('?').map_or((uri, None), |(place, query)| (place, Some(query)));
    let mut out = place.to_owned();
    let mut pairs: Vec<String> = Vec::new();
    if fragment {
        out.extend(query.map(|query| format!("?{query}")));
    } else {
        let kept = form::pairs(query.unwrap_or_default().as_bytes());
        let kept = kept.filter(|(name, _)| !parameters.keys().any(|other| other.as_bytes() == name.as_ref()));
        pairs.extend(kept.map(|(name, value)| match value {
            Some(value) => format!("{}={}", encoded(&name), encoded(&value)),
            None => encoded(&name),
        }));
    }
    pairs.extend(parameters.iter().map(|(name, value)| {
        let value: Cow<'_, str> = match value {
            Value::String(text) => text.into(),
            other => other.to_string().into(),
        };
        format!("{}={}", encoded(name.as_bytes()), encoded(value.as_bytes()))
    }));
    out.push(if fragment { '#' } else { '?' });
    out + &pairs.join("&")
}

/// All but the unreserved characters of RFC 3986 §2.3 in percent triplets.
fn encoded(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(*byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_go_where_they_belong() {
        let parameters = json!({ "code": "a b\"", "state": "s&1", "expires_in": 7200 });
        let Value::Object(parameters) = parameters else { panic!("an object") };
        let tail = "code=a%20b%22&state=s%261&expires_in=7200";
        for (uri, fragment, expected) in [
            ("http://a.test/back", false, format!("http://a.test/back?{tail}")),
            ("http://a.test/back?keep=1&code=old&on", false, format!("http://a.test/back?keep=1&on&{tail}")),
            ("http://a.test/back?keep=1", true, format!("http://a.test/back?keep=1#{tail}")),
            ("app://a", true, format!("app://a#{tail}")),
        ] {
            assert_eq!(with(uri, &parameters, fragment), expected);
        }
    }
}
