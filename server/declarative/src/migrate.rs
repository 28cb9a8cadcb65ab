//! What changed between versions of the format.

use serde_json::{Map, Value};

/// Whether a path means itself: letters, digits, `.`, `-`, `_`, `~`, `/`, `%` only.
fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'/' | b'%'))
}

/// Until 2.x a Route's path that looked like a regular expression was one; since 3.0 it must say so by `~`.
pub(crate) fn route_paths(route: &mut Map<String, Value>) {
    let Some(Value::Array(paths)) = route.get_mut("paths") else { return };
    for path in paths {
        let Value::String(path) = path else { continue };
        if path.starts_with('~') {
            continue;
        }
        *path = if is_plain(path) { decode(path, false) } else { format!("~{}", decode(path, true)) };
    }
}

/// Decodes `%XX` except for what RFC 3986 reserves, whose hex digits are upper-cased. In a regular expression a decoded
/// character that would act is escaped.
fn decode(path: &str, regex: bool) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (b'%', Some(high), Some(low)) = (bytes[index], hex(index + 1), hex(index + 2)) else {
            out.push(bytes[index]);
            index += 1;
            continue;
        };
        #[allow(clippy::cast_possible_truncation, reason = "two hex digits")]
        let byte = (high * 16 + low) as u8;
        if b"!*'();:@&=+$,/?%#[]".contains(&byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            if regex && br"\.*+?()[]{}|^$".contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
        index += 3;
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn regexes_get_their_mark_and_plain_paths_are_normalised() {
        let mut route = json!({"paths": ["/items/\\d+", "/plain", "~/done", "/a%20b", "/a%2fb", "/%61", "/x(%2e)", 5]});
        route_paths(route.as_object_mut().unwrap());
        assert_eq!(route["paths"], json!(["~/items/\\d+", "/plain", "~/done", "/a b", "/a%2Fb", "/a", "~/x(\\.)", 5]));
    }
}
