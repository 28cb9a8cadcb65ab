//! What of a request is a secret: the names of headers and arguments whose values are credentials, and what is left of them
//! where requests are logged or kept.

use std::borrow::Cow;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Headers that carry credentials wherever they occur, in lower case.
const HEADERS: [&str; 16] = [
    "apikey",
    "authorization",
    "cookie",
    "cookie2",
    "kong-admin-token",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-consumer-token",
    "x-credential-token",
    "x-csrf-token",
    "x-vault-token",
];

/// Arguments of a query that carry credentials, in lower case.
const ARGUMENTS: [&str; 20] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "assertion",
    "auth_token",
    "client_assertion",
    "client_secret",
    "code_verifier",
    "id_token",
    "jwt",
    "kong-admin-token",
    "password",
    "passwd",
    "refresh_token",
    "secret",
    "session_token",
    "sig",
    "token",
    "x-amz-signature",
];

/// Names whose values are secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    off: bool,
    /// Beside those that are always secret; lower case.
    more: Vec<Box<str>>,
}

impl Masks {
    /// The names that are always secret, and these, as headers and as arguments.
    pub fn with<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut more: Vec<Box<str>> = names.into_iter().map(|name| name.trim().to_ascii_lowercase().into()).collect();
        more.retain(|name| !name.is_empty());
        more.sort_unstable();
        more.dedup();
        Self { off: false, more }
    }

    /// Nothing is secret.
    pub fn off() -> Self {
        Self { off: true, more: Vec::new() }
    }

    /// These, and the names given.
    pub fn and(&self, names: &[&str]) -> Self {
        let own = self.more.iter().map(|name| &**name);
        Self { off: self.off, ..Self::with(own.chain(names.iter().copied())) }
    }

    fn is(&self, own: &[&str], name: &[u8]) -> bool {
        let same = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        !self.off && (own.iter().any(|known| same(known)) || self.more.iter().any(|known| same(known)))
    }

    /// Whether the value of a header is a secret.
    pub fn hides_header(&self, name: &[u8]) -> bool {
        self.is(&HEADERS, name)
    }

    /// Whether the value of an argument of a query is a secret; the name as it stands there, escaped or not.
    pub fn hides_argument(&self, name: &[u8]) -> bool {
        if name.contains(&b'%') || name.contains(&b'+') {
            return self.is(&ARGUMENTS, &unescaped(name));
        }
        self.is(&ARGUMENTS, name)
    }

    /// A query without its secrets: `a=1&apikey=***`.
    pub fn query<'q>(&self, query: &'q [u8]) -> Cow<'q, [u8]> {
        let hidden = |argument: &[u8]| {
            let equals = argument.iter().position(|byte| *byte == b'=')?;
            (equals + 1 < argument.len() && self.hides_argument(&argument[..equals])).then_some(equals)
        };
        if self.off || !query.split(|byte| *byte == b'&' || *byte == b';').any(|argument| hidden(argument).is_some()) {
            return Cow::Borrowed(query);
        }
        let mut out = Vec::with_capacity(query.len());
        let mut rest = query;
        loop {
            let end = rest.iter().position(|byte| *byte == b'&' || *byte == b';').unwrap_or(rest.len());
            match hidden(&rest[..end]) {
                Some(equals) => {
                    out.extend_from_slice(&rest[..=equals]);
                    out.extend_from_slice(MASK.as_bytes());
                }
                None => out.extend_from_slice(&rest[..end]),
            }
            if end == rest.len() {
                return Cow::Owned(out);
            }
            out.push(rest[end]);
            rest = &rest[end + 1..];
        }
    }

    /// A path with a query, or a URL, without the secrets in its query and before its host.
    pub fn target<'t>(&self, target: &'t [u8]) -> Cow<'t, [u8]> {
        let masked = match target.iter().position(|byte| *byte == b'?') {
            None => Cow::Borrowed(target),
            Some(at) => match self.query(&target[at + 1..]) {
                Cow::Borrowed(_) => Cow::Borrowed(target),
                Cow::Owned(query) => Cow::Owned([&target[..=at], &query].concat()),
            },
        };
        match self.userinfo(&masked) {
            Some((from, to)) => Cow::Owned([&masked[..from], MASK.as_bytes(), &masked[to..]].concat()),
            None => masked,
        }
    }

    /// Where `user:password` stands in a URL.
    fn userinfo(&self, url: &[u8]) -> Option<(usize, usize)> {
        if self.off {
            return None;
        }
        let scheme = url.windows(3).position(|part| part == b"://")?;
        let from = scheme + 3;
        if !url[..scheme].iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let end =
            url[from..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).map_or(url.len(), |at| from + at);
        let at = url[from..end].iter().rposition(|byte| *byte == b'@')?;
        Some((from, from + at))
    }
}

/// A name without its escapes, as far as they are any.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                &after[2..]
            }
            (b'+', ..) => {
                out.push(b' ');
                after
            }
            (byte, ..) => {
                out.push(*byte);
                after
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        let masks = Masks::with(["X-Own", " key "]);
        for (target, expected) in [
            ("/a?apikey=1", "/a?apikey=***"),
            ("/a?b=1&ApiKey=s&c=2", "/a?b=1&ApiKey=***&c=2"),
            ("/a?b=1;password=s=t;x", "/a?b=1;password=***;x"),
            ("/a?api%6Bey=s", "/a?api%6Bey=***"),
            ("/a?apikey=&token", "/a?apikey=&token"),
            ("/a?key=s&x-own=t&monkey=u", "/a?key=***&x-own=***&monkey=u"),
            ("/a?b=apikey", "/a?b=apikey"),
            ("/a", "/a"),
            ("https://u:p@h/x?token=s", "https://***@h/x?token=***"),
            ("https://h/x@y", "https://h/x@y"),
            ("/a/https://u:p@h", "/a/https://u:p@h"),
        ] {
            assert_eq!(String::from_utf8_lossy(&masks.target(target.as_bytes())), expected, "{target}");
            assert_eq!(&*Masks::off().target(target.as_bytes()), target.as_bytes());
        }
        for name in ["Authorization", "COOKIE", "apikey", "x-own", "Key"] {
            assert!(masks.hides_header(name.as_bytes()) && !Masks::off().hides_header(name.as_bytes()), "{name}");
        }
        assert!(!masks.hides_header(b"accept") && !Masks::default().hides_header(b"key"));
    }

    proptest! {
        #[test]
        fn no_secret_is_left(before in "[a-z=&;%+]{0,20}", secret in "[A-Z0-9]{8}", after in "([&;][a-z=&;%+]{0,20})?") {
            let query = format!("{before}&access_token={secret}{after}");
            let masked = Masks::default().query(query.as_bytes()).into_owned();
            prop_assert!(!String::from_utf8_lossy(&masked).contains(&secret));
            prop_assert_eq!(&*Masks::default().query(&masked), &*masked);
        }
    }
}
