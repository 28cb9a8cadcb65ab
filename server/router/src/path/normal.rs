//! Normalisation (`router.md` §1), and the two things about a raw path that are refused with 400.

use std::borrow::Cow;

/// Why a request's path is refused before it is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `%` without two hexadecimal digits, or an escaped NUL.
    #[error("the path has a malformed escape")]
    MalformedEscape,
    /// `..` would leave the root.
    #[error("the path leads above the root")]
    AboveRoot,
}

/// The rules under which a request is answered with 400: malformed escapes, `%00`, and dot segments above
/// the root. For the depth of the path an escaped slash counts as a slash, and doubled slashes as one.
pub fn check(raw: &[u8]) -> Result<(), PathError> {
    if is_normal(raw) {
        return Ok(());
    }
    let mut depth = 0usize;
    let mut segment = Segment::default();
    let mut rest = raw.strip_prefix(b"/").unwrap_or(raw);
    loop {
        let Some((byte, used)) = next_decoded(rest)? else {
            return segment.close(&mut depth);
        };
        rest = &rest[used..];
        if byte == b'/' {
            segment.close(&mut depth)?;
            segment = Segment::default();
        } else {
            segment.push(byte);
        }
    }
}

/// As much of a segment as tells `.`, `..` and the others apart.
#[derive(Default)]
struct Segment {
    len: usize,
    other: bool,
}

impl Segment {
    fn push(&mut self, byte: u8) {
        self.len += 1;
        self.other |= byte != b'.';
    }

    fn close(&self, depth: &mut usize) -> Result<(), PathError> {
        match (self.other, self.len) {
            (false, 0 | 1) => {}
            (false, 2) => *depth = depth.checked_sub(1).ok_or(PathError::AboveRoot)?,
            _ => *depth += 1,
        }
        Ok(())
    }
}

/// The first byte after decoding, and how many bytes stood for it.
fn next_decoded(text: &[u8]) -> Result<Option<(u8, usize)>, PathError> {
    match text {
        [] => Ok(None),
        [b'%', rest @ ..] => match rest {
            [high, low, ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(0), Some(0)) => Err(PathError::MalformedEscape),
                (Some(high), Some(low)) => Ok(Some((high << 4 | low, 3))),
                _ => Err(PathError::MalformedEscape),
            },
            _ => Err(PathError::MalformedEscape),
        },
        [byte, ..] => Ok(Some((*byte, 1))),
    }
}

/// The first `%` of a configured path that no two hexadecimal digits follow, with up to two bytes after it:
/// Kong's validator quotes exactly that.
pub fn first_malformed_escape(path: &str) -> Option<&str> {
    let bytes = path.as_bytes();
    memchr::memchr_iter(b'%', bytes).find_map(|at| {
        let good = matches!(bytes[at + 1..], [a, b, ..] if hex_digit(a).is_some() && hex_digit(b).is_some());
        if good {
            return None;
        }
        let end = path[at..].char_indices().nth(3).map_or(path.len(), |(offset, _)| at + offset);
        Some(&path[at..end])
    })
}

/// The path that Routes are matched with: escapes of unreserved bytes decoded, the others in upper case, dot
/// segments resolved (never above the root), doubled slashes merged.
///
/// Borrows when nothing changes. Malformed escapes stay as they are; [`check`] refuses them beforehand.
/// For paths without such escapes it is idempotent.
pub fn normalize(raw: &[u8]) -> Cow<'_, [u8]> {
    if is_normal(raw) {
        return Cow::Borrowed(raw);
    }
    let decoded = decode(raw);
    let mut out = Vec::with_capacity(decoded.len().max(1));
    let mut rest: &[u8] = &decoded;
    if let Some(after) = rest.strip_prefix(b"/") {
        out.push(b'/');
        rest = after;
    }
    while !rest.is_empty() {
        let (segment, closed, next) = match memchr::memchr(b'/', rest) {
            Some(slash) => (&rest[..slash], true, &rest[slash + 1..]),
            None => (rest, false, &rest[rest.len()..]),
        };
        rest = next;
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = out.len().checked_sub(1).and_then(|end| memchr::memrchr(b'/', &out[..end]));
                out.truncate(parent.map_or(1, |slash| slash + 1));
            }
            name => {
                out.extend_from_slice(name);
                if closed {
                    out.push(b'/');
                }
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Cow::Owned(out)
}

/// Whether a path has no escape, no doubled slash and no segment that begins with a dot; nothing is to be done then.
fn is_normal(raw: &[u8]) -> bool {
    let mut previous = b'a';
    raw.first().is_some_and(|first| *first != b'.')
        && raw.iter().all(|&byte| {
            let normal = match byte {
                b'%' => false,
                b'.' | b'/' => previous != b'/',
                _ => true,
            };
            previous = byte;
            normal
        })
}

fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match rest {
            [_, a, b, after @ ..] if hex_digit(*a).is_some() && hex_digit(*b).is_some() => {
                let byte = hex_digit(*a).unwrap_or(0) << 4 | hex_digit(*b).unwrap_or(0);
                if is_reserved(byte) {
                    out.extend([b'%', a.to_ascii_uppercase(), b.to_ascii_uppercase()]);
                } else {
                    out.push(byte);
                }
                rest = after;
            }
            _ => {
                out.push(b'%');
                rest = &rest[1..];
            }
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// RFC 3986's reserved characters and `%`: their escapes mean something else than the characters.
fn is_reserved(byte: u8) -> bool {
    b"!*'();:@&=+$,/?%#[]".contains(&byte)
}

pub(crate) fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_refused() {
        for (raw, expected) in [
            ("/", Ok(())),
            ("/a/b?c", Ok(())),
            ("/a/..", Ok(())),
            ("/a/../b", Ok(())),
            ("/...", Ok(())),
            ("/a%2fb/../..", Ok(())),
            ("/..", Err(PathError::AboveRoot)),
            ("/../p", Err(PathError::AboveRoot)),
            ("/a/../..", Err(PathError::AboveRoot)),
            ("/a//../..", Err(PathError::AboveRoot)),
            ("/%2e%2e/x", Err(PathError::AboveRoot)),
            ("/a/%2e%2e%2f..", Err(PathError::AboveRoot)),
            ("/%zz", Err(PathError::MalformedEscape)),
            ("/a%4", Err(PathError::MalformedEscape)),
            ("/a%", Err(PathError::MalformedEscape)),
            ("/a%00b", Err(PathError::MalformedEscape)),
        ] {
            assert_eq!(check(raw.as_bytes()), expected, "{raw}");
        }
    }

    #[test]
    fn malformed_escapes_are_quoted() {
        for (path, expected) in
            [("/x%zz", Some("%zz")), ("/x%41%4", Some("%4")), ("/%", Some("%")), ("/%é", Some("%é")), ("/%41", None)]
        {
            assert_eq!(first_malformed_escape(path), expected, "{path}");
        }
    }
}
