//! Header names the engine itself cares about.

/// A header name with a meaning to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
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
    /// One of [`crate::directory::IDENTITY_HEADERS`].
    Identity,
    /// Any other.
    Other,
}

/// Which of them a name is; names compare without case.
#[inline]
pub fn classify(name: &[u8]) -> Name {
    // Length and first letter leave at most a few candidates, most often none.
    let Some(first) = name.first() else { return Name::Other };
    match (name.len(), first | 0x20) {
        (2, b't') if is(name, b"te") => Name::Te,
        (3, b'v') if is(name, b"via") => Name::Via,
        (4, b'h') if is(name, b"host") => Name::Host,
        (4, b'd') if is(name, b"date") => Name::Date,
        (5, b'p') if is(name, b"proxy") => Name::Proxy,
        (6, b'e') if is(name, b"expect") => Name::Expect,
        (6, b's') if is(name, b"server") => Name::Server,
        (7, b'u') if is(name, b"upgrade") => Name::Upgrade,
        (7, b't') if is(name, b"trailer") => Name::Trailer,
        (9, b'x') if is(name, b"x-real-ip") => Name::XRealIp,
        (10, b'c') if is(name, b"connection") => Name::Connection,
        (10, b'k') if is(name, b"keep-alive") => Name::KeepAlive,
        (13, b'x') if is(name, b"x-consumer-id") => Name::Identity,
        (14, b'c') if is(name, b"content-length") => Name::ContentLength,
        (15, b'x') if is(name, b"x-forwarded-for") => Name::XForwardedFor,
        (16, b'x') if is(name, b"x-forwarded-host") => Name::XForwardedHost,
        (16, b'x') if is(name, b"x-forwarded-port") => Name::XForwardedPort,
        (16, b'x') if is(name, b"x-forwarded-path") => Name::XForwardedPath,
        (16, b'p') if is(name, b"proxy-connection") => Name::ProxyConnection,
        (17, b't') if is(name, b"transfer-encoding") => Name::TransferEncoding,
        (17, b'x') if is(name, b"x-forwarded-proto") => Name::XForwardedProto,
        (17, b'x') if is(name, b"x-kong-request-id") => Name::XKongRequestId,
        (18, b'x') if is(name, b"x-forwarded-prefix") => Name::XForwardedPrefix,
        (19, b'x') if is(name, b"x-consumer-username") => Name::Identity,
        (20, b'x') if is(name, b"x-consumer-custom-id") => Name::Identity,
        (20, b'x') if is(name, b"x-anonymous-consumer") => Name::Identity,
        (23, b'x') if is(name, b"x-credential-identifier") => Name::Identity,
        _ => Name::Other,
    }
}

/// Whether a token is this name, which is in small letters. The length is known when this is compiled: what is left of
/// it is a few words and no loop.
#[inline(always)]
fn is<const N: usize>(name: &[u8], other: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return false };
    // Of the bytes of a token only capital letters become others by this.
    const SMALL: u64 = 0x2020_2020_2020_2020;
    let (mut words, mut others) = (name.chunks_exact(8), other.chunks_exact(8));
    let mut differs = 0;
    for (word, other) in words.by_ref().zip(others.by_ref()) {
        differs |= (number(word) | SMALL) ^ number(other);
    }
    for (byte, other) in words.remainder().iter().zip(others.remainder()) {
        differs |= u64::from((byte | 0x20) ^ other);
    }
    differs == 0
}

#[inline(always)]
fn number(word: &[u8]) -> u64 {
    word.try_into().map_or(0, u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_told_apart_without_case() {
        for (text, name) in [
            ("HOST", Name::Host),
            ("te", Name::Te),
            ("tE", Name::Te),
            ("tr", Name::Other),
            ("Content-length", Name::ContentLength),
            ("Content-lengtH", Name::ContentLength),
            ("Content-lengts", Name::Other),
            ("x-forwarded-PROTO", Name::XForwardedProto),
            ("X-Forwarded-Path", Name::XForwardedPath),
            ("X-Forwarded-Port", Name::XForwardedPort),
            ("X-Forwarded-Pork", Name::Other),
            ("Transfer-Encoding", Name::TransferEncoding),
            ("Transfer_Encoding", Name::Other),
            ("hosts", Name::Other),
            ("", Name::Other),
        ] {
            assert_eq!(classify(text.as_bytes()), name, "{text}");
        }
        for name in crate::directory::IDENTITY_HEADERS {
            assert_eq!(classify(name.as_bytes()), Name::Identity, "{name}");
        }
    }

    proptest! {
        #[test]
        fn comparison_is_that_of_the_standard(text in "[!#$%&'*+.^_`|~0-9A-Za-z-]{17}") {
            let known = b"x-kong-request-id";
            prop_assert_eq!(is(text.as_bytes(), known), text.as_bytes().eq_ignore_ascii_case(known));
        }
    }
}
