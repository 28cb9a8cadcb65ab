//! One cookie of a plugin: read from requests, written to responses, in pieces where one is too small.

use super::config::Config;
use crate::cookies;
use exchange::Headers;
use httpdate::fmt_http_date;
use std::time::{Duration, UNIX_EPOCH};

/// What browsers keep in one cookie, attributes left out, in bytes.
const PIECE: usize = 3_800;

/// Cookies that one value may be spread over.
const PIECES: usize = 9;

/// A cookie and its attributes.
pub struct Jar {
    names: Vec<String>,
    attributes: String,
}

/// What a request has of a cookie.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The value, its pieces put together.
    pub value: Vec<u8>,
    /// How many pieces there were.
    pub pieces: usize,
}

impl Jar {
    /// A cookie of that name with the attributes of the options.
    pub fn new(name: &str, config: &Config) -> Self {
        let mut attributes = format!("; Path={}", config.cookie_path.as_deref().unwrap_or("/"));
        if let Some(domain) = config.cookie_domain.as_deref().filter(|domain| !matches!(*domain, "" | "localhost")) {
            attributes += &format!("; Domain={domain}");
        }
        if let Some(site) = config.cookie_same_site.as_deref().filter(|site| *site != "Default") {
            attributes += &format!("; SameSite={site}");
        }
        if config.cookie_secure.unwrap_or(true) {
            attributes += "; Secure";
        }
        if config.cookie_http_only.unwrap_or(true) {
            attributes += "; HttpOnly";
        }
        let later = (2..=PIECES).map(|index| format!("{name}{index}"));
        Self { names: std::iter::once(name.to_owned()).chain(later).collect(), attributes }
    }

    /// What a request has of it.
    pub fn read(&self, headers: &Headers) -> Found {
        let mut found = Found::default();
        for name in &self.names {
            let Some(piece) = cookies::cookie(headers, name) else { break };
            found.value.extend_from_slice(piece);
            found.pieces += 1;
        }
        found
    }

    /// The `Set-Cookie` lines of a value, which a client keeps until its end or, with `until`, for so many seconds from
    /// `now`. Pieces that an earlier value had more are removed. `None` where the value is too long.
    pub fn write(&self, value: &str, until: Option<u64>, now: u64, pieces: usize) -> Option<Vec<String>> {
        let lines: Vec<_> = value.as_bytes().chunks(PIECE).collect();
        if lines.len() > PIECES {
            return None;
        }
        let kept = until.map_or_else(String::new, |until| {
            let date = fmt_http_date(UNIX_EPOCH + Duration::from_secs(now.saturating_add(until).min(LAST_DATE)));
            format!("; Expires={date}; Max-Age={until}")
        });
        let written = lines.len();
        let mut out: Vec<_> = lines
            .into_iter()
            .zip(&self.names)
            .map(|(piece, name)| format!("{name}={}{kept}{}", String::from_utf8_lossy(piece), self.attributes))
            .collect();
        out.extend(self.removed(written, pieces));
        Some(out)
    }

    /// The lines that remove it from a client.
    pub fn clear(&self, pieces: usize) -> Vec<String> {
        self.removed(0, pieces).collect()
    }

    fn removed(&self, from: usize, to: usize) -> impl Iterator<Item = String> {
        self.names
            .iter()
            .take(to)
            .skip(from)
            .map(|name| format!("{name}=; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0{}", self.attributes))
    }
}

/// The last second that an HTTP date can name: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;
    use schema::{Map, Schema};
    use serde_json::{Value, json};

    fn jar(config: Value) -> Jar {
        let Value::Object(config) = config else { panic!("an object") };
        let complete: Map<String, Value> = Config::record().insert(config, &crate::testing::context()).expect("valid");
        let config: Config = serde_json::from_value(complete.into()).expect("complete");
        Jar::new("s", &config)
    }

    #[test]
    fn attributes_are_those_of_the_options() {
        for (config, attributes) in [
            (json!({}), "; Path=/; SameSite=Strict; Secure; HttpOnly"),
            (
                json!({ "cookie_domain": "a.test", "cookie_path": "/p" }),
                "; Path=/p; Domain=a.test; SameSite=Strict; Secure; HttpOnly",
            ),
            (
                json!({ "cookie_domain": "localhost", "cookie_same_site": "Default", "cookie_secure": false }),
                "; Path=/; HttpOnly",
            ),
            (json!({ "cookie_same_site": "Lax", "cookie_http_only": false }), "; Path=/; SameSite=Lax; Secure"),
        ] {
            let lines = jar(config).write("v", None, 0, 0);
            assert_eq!(lines, Some(vec![format!("s=v{attributes}")]));
        }
    }

    #[test]
    fn long_values_go_in_pieces_and_come_back_whole() {
        let jar = jar(json!({ "cookie_secure": false, "cookie_http_only": false, "cookie_same_site": "Default" }));
        for length in [1, PIECE, PIECE + 1, 3 * PIECE] {
            let value = "v".repeat(length);
            let lines = jar.write(&value, None, 0, 0).unwrap();
            let sent: Headers = lines.iter().map(|line| ("Cookie", line.split(';').next().unwrap())).collect();
            assert_eq!(jar.read(&sent), Found { value: value.into_bytes(), pieces: length.div_ceil(PIECE) });
        }
        assert_eq!(jar.write(&"v".repeat(PIECE * PIECES + 1), None, 0, 0), None);
        assert_eq!(
            jar.write("v", Some(60), 1_700_000_000, 2).unwrap(),
            [
                "s=v; Expires=Tue, 14 Nov 2023 22:14:20 GMT; Max-Age=60; Path=/",
                "s2=; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; Path=/",
            ]
        );
        assert!(jar.write("v", Some(u64::MAX), 1, 0).is_some());
        assert_eq!(jar.clear(1), ["s=; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; Path=/"]);
        assert_eq!(jar.clear(0), Vec::<String>::new());
    }
}
