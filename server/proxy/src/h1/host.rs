//! The authority of a request: `Host`, or the one in an absolute-form target (RFC 9110 §7.2, RFC 3986 §3.2.2).

/// A host and, where it is given, a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As received; an IPv6 literal keeps its brackets.
    pub host: &'a [u8],
    /// After the colon.
    pub port: Option<u16>,
}

/// Reads an authority without user information. `None` where it is none: what a request is routed by must not be
/// readable in two ways.
pub fn authority(text: &[u8]) -> Option<Authority<'_>> {
    let (host, port) = if text.first() == Some(&b'[') {
        let end = memchr::memchr(b']', text)?;
        let (host, rest) = text.split_at(end + 1);
        if !host[1..end].iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) || end == 1 {
            return None;
        }
        match rest.split_first() {
            None => (host, None),
            Some((b':', port)) => (host, Some(port)),
            Some(_) => return None,
        }
    } else {
        match memchr::memchr(b':', text) {
            None => (text, None),
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        }
    };
    if host.is_empty() || (host[0] != b'[' && !host.iter().all(|byte| IN_NAME[usize::from(*byte)])) {
        return None;
    }
    let port = match port {
        None | Some([]) => None,
        Some(digits) => Some(port_number(digits)?),
    };
    Some(Authority { host, port })
}

fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 {
        return None;
    }
    digits
        .iter()
        .try_fold(0u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
        .and_then(|port| u16::try_from(port).ok())
}

/// Unreserved characters, sub-delimiters and the percent sign of a registered name. `..` is caught elsewhere: it
/// cannot be mistaken for a path here.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' | b'%'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_or_refused() {
        for (text, expected) in [
            ("a.test", Some(("a.test", None))),
            ("A.test:8080", Some(("A.test", Some(8080)))),
            ("a.test:", Some(("a.test", None))),
            ("[::1]:80", Some(("[::1]", Some(80)))),
            ("[::1]", Some(("[::1]", None))),
            ("a_b.test", Some(("a_b.test", None))),
            ("", None),
            (":80", None),
            ("a b", None),
            ("a/b", None),
            ("a@b", None),
            ("a,b", None),
            ("a\\b", None),
            ("a?b", None),
            ("a#b", None),
            ("a:b", None),
            ("a:80:80", None),
            ("a:+80", None),
            ("a:65536", None),
            ("a:000080", None),
            ("[::1", None),
            ("[]", None),
            ("[::1]x", None),
            ("[a@b]", None),
            ("a\u{e9}", None),
            ("a\u{1}", None),
        ] {
            let read = authority(text.as_bytes());
            assert_eq!(read.map(|a| (std::str::from_utf8(a.host).unwrap(), a.port)), expected, "{text:?}");
        }
    }
}
