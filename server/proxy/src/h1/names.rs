//! Header names the engine itself cares about, told apart by length first.

/// A header name with a meaning to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `Host`
    Host,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Expect`
    Expect,
    /// `Upgrade`
    Upgrade,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Proxy`, which CGI-like upstreams take for an environment variable
    Proxy,
    /// `Via`
    Via,
    /// `Date`
    Date,
    /// `Server`
    Server,
    /// `X-Real-IP`
    XRealIp,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Port`
    XForwardedPort,
    /// `X-Forwarded-Path`
    XForwardedPath,
    /// `X-Forwarded-Prefix`
    XForwardedPrefix,
    /// `X-Kong-Request-Id`
    XKongRequestId,
    /// Any other.
    Other,
}

/// Which of them a name is; names compare without case.
#[inline]
pub fn classify(name: &[u8]) -> Name {
    // Length and first letter leave at most a few candidates, most often none.
    let Some(first) = name.first() else { return Name::Other };
    let candidates: &[(&str, Name)] = match (name.len(), first | 0x20) {
        (2, b't') => &[("te", Name::Te)],
        (3, b'v') => &[("via", Name::Via)],
        (4, b'h') => &[("host", Name::Host)],
        (4, b'd') => &[("date", Name::Date)],
        (5, b'p') => &[("proxy", Name::Proxy)],
        (6, b'e') => &[("expect", Name::Expect)],
        (6, b's') => &[("server", Name::Server)],
        (7, b'u') => &[("upgrade", Name::Upgrade)],
        (7, b't') => &[("trailer", Name::Trailer)],
        (9, b'x') => &[("x-real-ip", Name::XRealIp)],
        (10, b'c') => &[("connection", Name::Connection)],
        (10, b'k') => &[("keep-alive", Name::KeepAlive)],
        (14, b'c') => &[("content-length", Name::ContentLength)],
        (15, b'x') => &[("x-forwarded-for", Name::XForwardedFor)],
        (16, b'x') => &[
            ("x-forwarded-host", Name::XForwardedHost),
            ("x-forwarded-port", Name::XForwardedPort),
            ("x-forwarded-path", Name::XForwardedPath),
        ],
        (16, b'p') => &[("proxy-connection", Name::ProxyConnection)],
        (17, b't') => &[("transfer-encoding", Name::TransferEncoding)],
        (17, b'x') => &[("x-forwarded-proto", Name::XForwardedProto), ("x-kong-request-id", Name::XKongRequestId)],
        (18, b'x') => &[("x-forwarded-prefix", Name::XForwardedPrefix)],
        _ => return Name::Other,
    };
    let found = candidates.iter().find(|(other, _)| same(name, other.as_bytes()));
    found.map_or(Name::Other, |(_, name)| *name)
}

/// Whether a token is this name, in small letters, of the same length. No branch for each byte: names are short.
#[inline]
fn same(name: &[u8], other: &[u8]) -> bool {
    name.iter().zip(other).fold(0, |differs, (a, b)| differs | (a.to_ascii_lowercase() ^ b)) == 0
}

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
    const NEVER: [&str; 12] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "max-forwards",
        "proxy-authorization",
        "set-cookie",
        "x-consumer-id",
        "x-consumer-username",
        "x-credential-identifier",
    ];
    classify(name) == Name::Other && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_without_case() {
        for (text, name) in [
            ("HOST", Name::Host),
            ("te", Name::Te),
            ("Content-length", Name::ContentLength),
            ("x-forwarded-PROTO", Name::XForwardedProto),
            ("Transfer-Encoding", Name::TransferEncoding),
            ("Transfer_Encoding", Name::Other),
            ("hosts", Name::Other),
            ("", Name::Other),
        ] {
            assert_eq!(classify(text.as_bytes()), name, "{text}");
        }
    }

    #[test]
    fn lists_are_split() {
        assert_eq!(list(b" a, ,b ,,c").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert!(has_token(b"close, TE", "te") && !has_token(b"closed", "close"));
    }
}
