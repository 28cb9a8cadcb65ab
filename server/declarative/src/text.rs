//! From text to values, and a text's hash.

use crate::invalid::Invalid;
use crate::yaml;
use md5::{Digest, Md5};
use serde_json::Value;

/// The hash of a node that has no configuration.
pub const EMPTY_HASH: &str = "00000000000000000000000000000000";

/// Reads a configuration's text: JSON if it is JSON, else YAML.
///
/// # Errors
/// [`Invalid`] naming the place where the text stops being either.
pub fn parse(text: &str) -> Result<Value, Invalid> {
    let json = text.trim_start().starts_with(['{', '[']);
    if json && let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    yaml::parse(text).map_err(|error| Invalid::text(format!("failed parsing declarative configuration: {error}")))
}

/// The MD5 of a text, as 32 hexadecimal digits.
pub fn hash(text: &[u8]) -> String {
    Md5::digest(text).iter().fold(String::with_capacity(32), |mut hex, byte| {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_before_yaml() {
        for (text, expected) in [
            ("{\"a\": 1}", json!({"a": 1})),
            (" [1, yes]", json!([1, true])),
            ("a: 1", json!({"a": 1})),
            ("{a: 1}", json!({"a": 1})),
            ("just words", json!("just words")),
            ("5", json!(5)),
        ] {
            assert_eq!(parse(text), Ok(expected));
        }
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        for broken in ["{\"a\":", "a: [b", "\u{0}", deep.as_str()] {
            let invalid = parse(broken).unwrap_err();
            let error = invalid.fields()["error"].as_str().unwrap();
            assert!(error.starts_with("failed parsing declarative configuration: "), "{error}");
        }
    }

    #[test]
    fn hashes_are_md5() {
        assert_eq!(hash(b"_format_version: \"3.0\"\nupstreams:\n- name: kong\n"), "3afe46b88c00682315d6f4f4d74706ca");
    }
}
