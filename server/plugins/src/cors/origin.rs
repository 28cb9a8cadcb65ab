//! Origins: what requests come from, and which of them a configuration allows.

use exchange::Pattern;

/// An origin in the form in which two of them are compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Scheme, host and port, without a port that the scheme has by default; the text itself where it names no host.
    pub whole: String,
    /// The host alone.
    pub host: String,
}

impl Origin {
    pub(super) fn new(text: &str) -> Self {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            return Self { whole: text.to_owned(), host: text.to_owned() };
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let by_default = matches!((scheme, port), (Some("http"), Some("80")) | (Some("https"), Some("443")));
        let port = port.filter(|port| !by_default && !port.is_empty());
        let scheme = scheme.map_or_else(String::new, |scheme| format!("{scheme}://"));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Self { whole: format!("{scheme}{host}{port}"), host: host.to_owned() }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The origins that a configuration allows.
#[derive(Debug)]
pub(super) enum Allowed {
    /// All of them.
    Any,
    /// This one, whoever asks.
    One(String),
    /// Those on a list.
    Listed {
        /// Whether the list has one entry: then every answer depends on the origin.
        single: bool,
        entries: Vec<Entry>,
    },
}

#[derive(Debug)]
pub(super) enum Entry {
    Plain(String),
    Matching { pattern: Pattern, by_host: bool },
}

impl Allowed {
    pub(super) fn new(origins: &[String]) -> Result<Self, String> {
        if origins.is_empty() || origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        match origins {
            [origin] if is_plain(origin) => Ok(Self::One(origin.clone())),
            _ => {
                let entries = origins.iter().map(|origin| Entry::new(origin)).collect::<Result<_, _>>()?;
                Ok(Self::Listed { single: origins.len() == 1, entries })
            }
        }
    }
}

impl Entry {
    fn new(text: &str) -> Result<Self, String> {
        if is_plain(text) {
            return Ok(Self::Plain(Origin::new(text).whole));
        }
        let start = text.strip_prefix('^').unwrap_or(text);
        let pattern = Pattern::pcre_anchored(&format!("{}$", start.strip_suffix('$').unwrap_or(start)))?;
        Ok(Self::Matching { pattern, by_host: !text.contains(':') })
    }

    pub(super) fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::Plain(whole) => *whole == origin.whole,
            Self::Matching { pattern, by_host: true } => pattern.is_match(origin.host.as_bytes()),
            Self::Matching { pattern, by_host: false } => pattern.is_match(origin.whole.as_bytes()),
        }
    }
}

/// Whether an entry is an origin, not a regular expression.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'/' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn default_ports_make_no_difference() {
        for (text, whole, host) in [
            ("http://shop.test", "http://shop.test", "shop.test"),
            ("http://shop.test:80", "http://shop.test", "shop.test"),
            ("https://shop.test:443/", "https://shop.test", "shop.test"),
            ("http://shop.test:443", "http://shop.test:443", "shop.test"),
            ("http://[::1]:80", "http://[::1]", "[::1]"),
            ("http://[::1]", "http://[::1]", "[::1]"),
            ("//shop.test", "shop.test", "shop.test"),
            ("shop.test", "shop.test", "shop.test"),
            ("null", "null", "null"),
            ("", "", ""),
        ] {
            assert_eq!(Origin::new(text), Origin { whole: whole.into(), host: host.into() }, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_origin_is_read(text in "\\PC{0,20}") {
            let once = Origin::new(&text);
            prop_assert!(text.contains("//") || once.whole == text);
        }
    }
}
