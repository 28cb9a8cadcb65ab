//! The upstream's path (`router.md` §5) and its escapes (§1).

use std::borrow::Cow;

use crate::route::PathHandling;

/// Joins the Service's path and the request's.
///
/// `matched` is the length of the part of `request` (a normalised path) that the Route matched; `strip` removes
/// it. `handling` is the one that applies: see [`crate::Flavor::path_handling`].
pub fn upstream_path<'a>(
    service: &'a [u8],
    request: &'a [u8],
    matched: usize,
    strip: bool,
    handling: PathHandling,
) -> Cow<'a, [u8]> {
    let service = if service.is_empty() { b"/" } else { service };
    let without_slash = request.strip_prefix(b"/").unwrap_or(request);
    let postfix = sanitize(request.get(matched..).unwrap_or_default());
    let base = service.strip_suffix(b"/");
    match (handling, strip, base) {
        (PathHandling::V1, true, Some(base)) if postfix.first() == Some(&b'/') => concat(base, b"", postfix),
        (PathHandling::V1, true, _) => concat(service, b"", postfix),
        (PathHandling::V1, false, _) => concat(service, b"", without_slash),
        (PathHandling::V0, true, Some(base)) if postfix.is_empty() => {
            if base.is_empty() || request.ends_with(b"/") {
                Cow::Borrowed(service)
            } else {
                Cow::Borrowed(base)
            }
        }
        (PathHandling::V0, true, Some(base)) if postfix.first() == Some(&b'/') => concat(base, b"", postfix),
        (PathHandling::V0, true, Some(_)) => concat(service, b"", postfix),
        (PathHandling::V0, false, Some(base)) => {
            if base.is_empty() && request.first() == Some(&b'/') {
                Cow::Borrowed(request)
            } else {
                concat(service, b"", without_slash)
            }
        }
        (PathHandling::V0, true, None) if postfix.is_empty() => {
            if request.len() > 1 && request.ends_with(b"/") {
                concat(service, b"/", b"")
            } else {
                Cow::Borrowed(service)
            }
        }
        (PathHandling::V0, true, None) if postfix.first() == Some(&b'/') => concat(service, b"", postfix),
        (PathHandling::V0, true, None) => concat(service, b"/", postfix),
        (PathHandling::V0, false, None) => {
            if request == b"/" {
                Cow::Borrowed(service)
            } else {
                concat(service, b"", request)
            }
        }
    }
}

fn concat<'a>(head: &'a [u8], middle: &[u8], tail: &'a [u8]) -> Cow<'a, [u8]> {
    if head.is_empty() && middle.is_empty() {
        return Cow::Borrowed(tail);
    }
    if tail.is_empty() && middle.is_empty() {
        return Cow::Borrowed(head);
    }
    Cow::Owned([head, middle, tail].concat())
}

/// What is left after stripping may not begin with a dot segment: it would climb out of the Service's path.
fn sanitize(postfix: &[u8]) -> &[u8] {
    match postfix {
        b"." | b".." => b"",
        [b'.', b'/', rest @ ..] | [b'.', b'.', b'/', rest @ ..] => rest,
        other => other,
    }
}

/// The path as it is sent: every byte that may not stand in a path is escaped, `%` is not.
pub fn escape(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = path.iter().position(|byte| !PLAIN[*byte as usize]) else { return Cow::Borrowed(path) };
    let mut out = Vec::with_capacity(path.len() + 16);
    out.extend_from_slice(&path[..first]);
    for &byte in &path[first..] {
        if PLAIN[byte as usize] {
            out.push(byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    Cow::Owned(out)
}

/// Bytes that [`escape`] leaves alone.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$&'()*+,/:;=?@[]-_.~%";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_reference() {
        let table = include_str!("../../tests/data/path-joining.txt");
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let [service, route, request, strip0, strip1, keep0, keep1] = cells[..] else { panic!("{line}") };
            rows += 1;
            for (strip, handling, expected) in [
                (true, PathHandling::V0, strip0),
                (true, PathHandling::V1, strip1),
                (false, PathHandling::V0, keep0),
                (false, PathHandling::V1, keep1),
            ] {
                let seen = upstream_path(service.as_bytes(), request.as_bytes(), route.len(), strip, handling);
                assert_eq!(String::from_utf8_lossy(&seen), expected, "{line} {strip} {handling:?}");
            }
        }
        assert!(rows > 40);
    }

    #[test]
    fn nothing_climbs_out_of_the_service_path() {
        for (request, expected) in [
            ("/way./out", "/s/out"),
            ("/way../out", "/s/out"),
            ("/way.", "/s"),
            ("/way..", "/s"),
            ("/way...", "/s/..."),
        ] {
            let seen = upstream_path(b"/s", request.as_bytes(), 4, true, PathHandling::V0);
            assert_eq!(String::from_utf8_lossy(&seen), expected, "{request}");
        }
    }

    #[test]
    fn a_match_longer_than_the_path_strips_everything() {
        assert_eq!(&*upstream_path(b"/s", b"/a", 99, true, PathHandling::V0), b"/s");
    }
}
