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
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    match name.len() {
        2 if is("te") => Name::Te,
        3 if is("via") => Name::Via,
        4 if is("host") => Name::Host,
        4 if is("date") => Name::Date,
        5 if is("proxy") => Name::Proxy,
        6 if is("expect") => Name::Expect,
        6 if is("server") => Name::Server,
        7 if is("upgrade") => Name::Upgrade,
        7 if is("trailer") => Name::Trailer,
        9 if is("x-real-ip") => Name::XRealIp,
        10 if is("connection") => Name::Connection,
        10 if is("keep-alive") => Name::KeepAlive,
        14 if is("content-length") => Name::ContentLength,
        15 if is("x-forwarded-for") => Name::XForwardedFor,
        16 if is("x-forwarded-host") => Name::XForwardedHost,
        16 if is("x-forwarded-port") => Name::XForwardedPort,
        16 if is("x-forwarded-path") => Name::XForwardedPath,
        16 if is("proxy-connection") => Name::ProxyConnection,
        17 if is("transfer-encoding") => Name::TransferEncoding,
        17 if is("x-forwarded-proto") => Name::XForwardedProto,
        17 if is("x-kong-request-id") => Name::XKongRequestId,
        18 if is("x-forwarded-prefix") => Name::XForwardedPrefix,
        _ => Name::Other,
    }
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
