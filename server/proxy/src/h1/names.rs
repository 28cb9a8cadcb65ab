//! Header names the engine itself cares about, and values that are lists.

pub use exchange::names::{Name, classify};

/// The elements of a comma-separated list, without white space around them, empty ones left out (RFC 9110 §5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// Whether a list has an element, case aside.
pub fn has_token(value: &[u8], token: &str) -> bool {
    list(value).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether a field may stand in a trailer section: those that frame, route, authenticate or say how to read the
/// content must not (RFC 9110 §6.5.1).
pub fn may_trail(name: &[u8]) -> bool {
    const NEVER: [&str; 9] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "max-forwards",
        "proxy-authorization",
        "set-cookie",
    ];
    classify(name) == Name::Other && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split() {
        assert_eq!(list(b" a, ,b ,,c").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert!(has_token(b"close, TE", "te") && !has_token(b"closed", "close"));
    }
}
