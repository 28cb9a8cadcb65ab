//! Request targets (RFC 9112 §3.2): origin-form and absolute-form; what a path may contain.

use super::host::{Authority, authority};
use super::refusal::Refusal;

/// A target taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The authority of an absolute-form target; it decides, whatever `Host` says (RFC 9112 §3.2.2).
    pub authority: Option<(&'a [u8], Authority<'a>)>,
    /// Path and query; empty for an absolute-form target without a path, which means `/`.
    pub origin: &'a [u8],
}

/// Takes a target apart.
pub fn target(text: &[u8]) -> Result<Target<'_>, Refusal> {
    const NEITHER: Refusal = Refusal::Malformed("the request target is neither a path nor an http URI");
    if text.first() == Some(&b'/') {
        return Ok(Target { authority: None, origin: text });
    }
    let rest = strip_prefix(text, b"http://").or_else(|| strip_prefix(text, b"https://")).ok_or(NEITHER)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (given, origin) = rest.split_at(end);
    let parts = authority(given).ok_or(Refusal::Malformed("the request target names no valid host"))?;
    Ok(Target { authority: Some((given, parts)), origin })
}

fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Path and query of an origin-form target. What follows a `#`, which no client should send, is dropped.
pub fn split(origin: &[u8]) -> (&[u8], Option<&[u8]>) {
    let origin = memchr::memchr(b'#', origin).map_or(origin, |end| &origin[..end]);
    match memchr::memchr(b'?', origin) {
        Some(mark) => (&origin[..mark], Some(&origin[mark + 1..])),
        None => (origin, None),
    }
}

/// Splits the target and sets the normalised path that Routes match.
pub fn normalize(request: &mut exchange::Request) -> Result<(), Refusal> {
    let (path, query) = split(&request.target);
    router::path::check(path)
        .map_err(|_| Refusal::Malformed("the path has a broken escape, or leads above the root"))?;
    request.path.clear();
    request.path.extend_from_slice(&router::path::normalize(path));
    request.query = query.map(Into::into);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        for (text, expected) in [
            ("/x?y", Some((None, "/x?y"))),
            ("http://h.test/x", Some((Some("h.test"), "/x"))),
            ("HTTPS://h.test:8443?y", Some((Some("h.test:8443"), "?y"))),
            ("http://h.test", Some((Some("h.test"), ""))),
            ("http://", None),
            ("http:///x", None),
            ("http://u@h.test/", None),
            ("ftp://h.test/", None),
            ("*", None),
            ("h.test:80", None),
            ("x", None),
            ("", None),
        ] {
            let read = target(text.as_bytes()).ok();
            let shown = read.map(|t| {
                (t.authority.map(|(a, _)| std::str::from_utf8(a).unwrap()), std::str::from_utf8(t.origin).unwrap())
            });
            assert_eq!(shown, expected, "{text:?}");
        }
    }

    #[test]
    fn queries_are_split_off_at_the_first_mark() {
        for (origin, path, query) in [
            ("/a", "/a", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c", "/a", Some("b?c")),
            ("/a#b?c", "/a", None),
            ("/a?b#c", "/a", Some("b")),
        ] {
            assert_eq!(split(origin.as_bytes()), (path.as_bytes(), query.map(str::as_bytes)), "{origin}");
        }
    }
}
