//! The input of consistent hashing: which part of a request is hashed, and how.

use std::borrow::Cow;

/// The hash of an empty input: what requests without any input share.
pub const EMPTY: u32 = 0x02cc_5d05;

/// xxHash32 with seed 0.
#[inline]
pub fn xxhash32(input: &[u8]) -> u32 {
    xxhash_rust::xxh32::xxh32(input, 0)
}

/// One value of `hash_on` or `hash_fallback` with the name it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashOn {
    /// Nothing: every request has the same (empty) input.
    #[default]
    None,
    /// The authenticated consumer, else the credential.
    Consumer,
    /// The client's address.
    Ip,
    /// A request header by name.
    Header(String),
    /// A cookie, generated where absent.
    Cookie {
        /// Its name.
        name: String,
        /// Its `Path` when set.
        path: String,
    },
    /// The normalised path.
    Path,
    /// A query argument by name.
    QueryArg(String),
    /// A capture of the Route's path by name or number.
    UriCapture(String),
}

impl HashOn {
    /// From the Upstream's fields: `kind` is the value of `hash_on` or `hash_fallback`, `name` that of the field which
    /// belongs to it (`hash_on_header`, `hash_fallback_query_arg`, ..., `hash_on_cookie`), `cookie_path` that of
    /// `hash_on_cookie_path`. `None` for a kind that does not exist.
    pub fn from_fields(kind: &str, name: Option<&str>, cookie_path: Option<&str>) -> Option<Self> {
        let name = || name.unwrap_or_default().to_owned();
        Some(match kind {
            "none" => Self::None,
            "consumer" => Self::Consumer,
            "ip" => Self::Ip,
            "header" => Self::Header(name()),
            "cookie" => Self::Cookie { name: name(), path: cookie_path.unwrap_or("/").to_owned() },
            "path" => Self::Path,
            "query_arg" => Self::QueryArg(name()),
            "uri_capture" => Self::UriCapture(name()),
            _ => return None,
        })
    }
}

/// What a request offers to be hashed. `None` or empty means it has no such part.
pub trait Source {
    /// The consumer's id, else the credential's.
    fn consumer(&self) -> Option<Cow<'_, [u8]>>;
    /// The client's address as text, after `real_ip` rules.
    fn client_ip(&self) -> Option<Cow<'_, [u8]>>;
    /// A header's values joined with `, `.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// A cookie's value.
    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// The normalised path without query.
    fn path(&self) -> Option<Cow<'_, [u8]>>;
    /// A query argument: repeated values sorted and joined with `,`; `true` for one without value.
    fn query_arg(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// A capture of the Route's path.
    fn uri_capture(&self, name: &str) -> Option<Cow<'_, [u8]>>;
    /// A new random UUID as text, for a cookie that is absent.
    fn fresh_uuid(&self) -> String;
}

/// An Upstream's `hash_on` with its fallback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashPlan {
    /// Asked first.
    pub on: HashOn,
    /// Asked when the first has no input.
    pub fallback: HashOn,
}

/// The hash of one request. The same for all its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// For [`crate::Balancer::pick`].
    pub hash: u32,
    /// The value of a `Set-Cookie` header for the response, when the cookie was generated.
    pub set_cookie: Option<String>,
}

impl HashPlan {
    /// Hashes the first input the request has; [`EMPTY`] where it has none.
    pub fn hash(&self, source: &impl Source) -> Hashed {
        one(&self.on, source)
            .or_else(|| one(&self.fallback, source))
            .unwrap_or(Hashed { hash: EMPTY, set_cookie: None })
    }
}

fn one(on: &HashOn, source: &impl Source) -> Option<Hashed> {
    let value = match on {
        HashOn::None => None,
        HashOn::Consumer => source.consumer(),
        HashOn::Ip => source.client_ip(),
        HashOn::Header(name) => source.header(name),
        HashOn::Path => source.path(),
        HashOn::QueryArg(name) => source.query_arg(name),
        HashOn::UriCapture(name) => source.uri_capture(name),
        HashOn::Cookie { name, path } => {
            let Some(value) = source.cookie(name).filter(|value| !value.is_empty()) else {
                let id = source.fresh_uuid();
                // `Same-Site` with a hyphen is Kong's spelling, which clients of Kong have seen so far.
                let cookie = format!("{name}={id}; Path={path}; Same-Site=Lax; HttpOnly");
                return Some(Hashed { hash: xxhash32(id.as_bytes()), set_cookie: Some(cookie) });
            };
            Some(value)
        }
    };
    value.filter(|value| !value.is_empty()).map(|value| Hashed { hash: xxhash32(&value), set_cookie: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Request(&'static [(&'static str, &'static str)]);

    impl Request {
        fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| Cow::Borrowed(value.as_bytes()))
        }
    }

    impl Source for Request {
        fn consumer(&self) -> Option<Cow<'_, [u8]>> {
            self.get("consumer")
        }
        fn client_ip(&self) -> Option<Cow<'_, [u8]>> {
            self.get("ip")
        }
        fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.get(&format!("header {name}"))
        }
        fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.get(&format!("cookie {name}"))
        }
        fn path(&self) -> Option<Cow<'_, [u8]>> {
            self.get("path")
        }
        fn query_arg(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.get(&format!("query {name}"))
        }
        fn uri_capture(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.get(&format!("capture {name}"))
        }
        fn fresh_uuid(&self) -> String {
            "new-id".to_owned()
        }
    }

    #[test]
    fn published_vectors_of_xxhash32() {
        for (input, expected) in [("", EMPTY), ("a", 0x550d_7456), ("abc", 0x32d1_53ff)] {
            assert_eq!(xxhash32(input.as_bytes()), expected, "{input}");
        }
    }

    #[test]
    fn the_first_input_there_is_gets_hashed() {
        let cookie = || HashOn::from_fields("cookie", Some("lb"), Some("/p")).unwrap();
        let kind = |kind| HashOn::from_fields(kind, Some("k"), None).unwrap();
        let request = Request(&[
            ("consumer", "c"),
            ("ip", "1.2.3.4"),
            ("header k", "h"),
            ("path", "/p"),
            ("query k", "q"),
            ("capture k", "u"),
            ("cookie k", "v"),
        ]);
        let nothing = Request(&[("header k", "")]);
        let cases = [
            (kind("none"), kind("none"), &request, "", false),
            (kind("consumer"), kind("ip"), &request, "c", false),
            (kind("ip"), kind("none"), &request, "1.2.3.4", false),
            (kind("header"), kind("ip"), &request, "h", false),
            (kind("path"), kind("ip"), &request, "/p", false),
            (kind("query_arg"), kind("ip"), &request, "q", false),
            (kind("uri_capture"), kind("ip"), &request, "u", false),
            (kind("cookie"), kind("none"), &request, "v", false),
            (cookie(), kind("none"), &request, "new-id", true),
            (kind("header"), cookie(), &nothing, "new-id", true),
            (kind("header"), kind("ip"), &nothing, "", false),
        ];
        for (on, fallback, request, input, sets) in cases {
            let plan = HashPlan { on, fallback };
            let hashed = plan.hash(request);
            assert_eq!(hashed.hash, xxhash32(input.as_bytes()), "{plan:?}");
            assert_eq!(hashed.set_cookie.is_some(), sets, "{plan:?}");
        }
        let plan = HashPlan { on: cookie(), fallback: HashOn::None };
        assert_eq!(plan.hash(&nothing).set_cookie.as_deref(), Some("lb=new-id; Path=/p; Same-Site=Lax; HttpOnly"));
        assert_eq!(HashOn::from_fields("vault", None, None), None);
    }
}
