//! `Cache-Control`, `Expires` and media types.

use exchange::Headers;
use std::time::UNIX_EPOCH;

/// Directives of `Cache-Control` (RFC 9111 §5.2).
#[derive(Debug, Default)]
pub(super) struct Directives(Vec<(String, Option<u64>)>);

impl Directives {
    pub(super) fn of(headers: &Headers) -> Self {
        let mut directives = Vec::new();
        for line in headers.get_all("cache-control") {
            for part in String::from_utf8_lossy(line).split(',') {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let name = name.trim().to_ascii_lowercase();
                if !name.is_empty() {
                    directives.push((name, value.trim().trim_matches('"').parse().ok()));
                }
            }
        }
        Self(directives)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The number of a directive.
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == name)?.1
    }
}

/// For how long a response is fresh by what its headers say, in seconds.
pub(super) fn lifetime(headers: &Headers, directives: &Directives, now: u64) -> u64 {
    if let Some(seconds) = directives.seconds("s-maxage").or_else(|| directives.seconds("max-age")) {
        return seconds;
    }
    let expires = headers.get_all("expires").last().and_then(|line| std::str::from_utf8(line).ok());
    let at = expires.and_then(|text| httpdate::parse_http_date(text).ok());
    let at = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    at.map_or(0, |at| at.as_secs().saturating_sub(now))
}

/// A media type with its parameters (RFC 9110 §8.3.1), in lower case but for their values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        if kind.is_empty() || subtype.is_empty() {
            return None;
        }
        let parameter = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
        };
        let mut parameters: Vec<_> = parts.filter_map(parameter).collect();
        parameters.sort();
        Some(Self { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), parameters })
    }

    /// Whether another type is this one; `*` stands for any.
    pub(super) fn covers(&self, other: &Self) -> bool {
        (self.kind == "*" || self.kind == other.kind)
            && (self.subtype == "*" || self.subtype == other.subtype)
            && self.parameters == other.parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let headers: Headers = [("Cache-Control", "public, Max-Age=\"60\""), ("cache-control", "no-store,s-maxage=x")]
            .into_iter()
            .collect();
        let directives = Directives::of(&headers);
        assert!(directives.has("public") && directives.has("no-store") && !directives.has("private"));
        assert_eq!((directives.seconds("max-age"), directives.seconds("s-maxage")), (Some(60), None));
    }

    #[test]
    fn lifetimes_are_told_by_headers() {
        for (headers, seconds) in [
            (&[("Cache-Control", "s-maxage=5, max-age=60")][..], 5),
            (&[("Expires", "Thu, 01 Jan 1970 00:02:00 GMT")], 20),
            (&[("Expires", "Thu, 01 Jan 1970 00:01:00 GMT")], 0),
            (&[("Expires", "soon")], 0),
            (&[("Cache-Control", "max-age=0"), ("Expires", "Thu, 01 Jan 1970 00:02:00 GMT")], 0),
            (&[], 0),
        ] {
            let headers: Headers = headers.iter().copied().collect();
            assert_eq!(lifetime(&headers, &Directives::of(&headers), 100), seconds);
        }
    }

    #[test]
    fn types_cover_each_other() {
        for (allowed, given, covers) in [
            ("text/plain", "text/plain", true),
            ("text/plain", "Text/Plain", true),
            ("text/plain", "text/plain; charset=utf-8", false),
            ("text/plain; charset=utf-8", "text/plain;charset=utf-8", true),
            ("text/plain; charset=utf-8", "text/plain; charset=iso-8859-1", false),
            ("text/plain; charset=utf-8", "text/plain", false),
            ("text/*", "text/csv", true),
            ("text/*", "application/json", false),
            ("*/*", "image/png", true),
            ("*/*", "image/png; q=1", false),
        ] {
            let media = |text| MediaType::parse(text).unwrap();
            assert_eq!(media(allowed).covers(&media(given)), covers, "{allowed} {given}");
        }
        assert_eq!((MediaType::parse("text"), MediaType::parse("/x"), MediaType::parse("")), (None, None, None));
    }
}
