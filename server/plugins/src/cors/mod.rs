//! `cors`: tells browsers which pages may ask (Fetch standard, "CORS protocol").

mod origin;

use crate::number;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use origin::{Allowed, Origin};
use schema::Schema;
use serde::Deserialize;

/// Options of `cors`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Origins that may ask: URLs, or regular expressions over all of the origin. None, or `*`: every origin.
    #[field(elements(validate = star_or_regex))]
    pub origins: Option<Vec<String>>,
    /// Request headers that are allowed; none: those that the browser asks for.
    pub headers: Option<Vec<String>>,
    /// Response headers that pages may see.
    pub exposed_headers: Option<Vec<String>>,
    /// Methods that are allowed.
    #[field(
        default(["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]),
        elements(one_of("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
    )]
    pub methods: Option<Vec<String>>,
    /// How long browsers may remember the answer, in seconds.
    pub max_age: Option<f64>,
    /// Whether requests may carry cookies and other credentials.
    #[field(default = false)]
    pub credentials: bool,
    /// Whether public pages may ask this private network.
    #[field(default = false)]
    pub private_network: bool,
    /// Whether the upstream answers preflights.
    #[field(default = false)]
    pub preflight_continue: bool,
}

fn star_or_regex(text: &str) -> Result<(), String> {
    if text == "*" || entities::regex::check(text).is_ok() {
        Ok(())
    } else {
        Err(format!("'{text}' is not a valid regex"))
    }
}

/// All methods, where `methods` is null.
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";

/// `cors`, configured.
pub struct Cors {
    origins: Allowed,
    headers: Option<String>,
    exposed_headers: Option<String>,
    methods: String,
    max_age: Option<String>,
    credentials: bool,
    private_network: bool,
    preflight_continue: bool,
}

/// What an Exchange remembers: the request was a preflight, and its response is complete.
struct Preflight;

/// What a request's origin may do.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    /// `Access-Control-Allow-Origin`
    origin: Option<String>,
    /// `Access-Control-Allow-Credentials`
    credentials: bool,
    /// Whether the answer depends on the origin.
    varies: bool,
}

impl Cors {
    fn verdict(&self, origin: Option<&str>) -> Verdict {
        let mut verdict = match &self.origins {
            Allowed::Any => {
                // A star does not go with credentials.
                return match origin.filter(|_| self.credentials) {
                    Some(origin) => Verdict { origin: Some(origin.to_owned()), credentials: true, varies: true },
                    None => Verdict { origin: Some("*".to_owned()), ..Verdict::default() },
                };
            }
            Allowed::One(origin) => Verdict { origin: Some(origin.clone()), varies: true, ..Verdict::default() },
            Allowed::Listed { single, entries } => {
                let origin = origin.map(Origin::new);
                let found = origin.filter(|origin| entries.iter().any(|entry| entry.allows(origin)));
                let varies = *single || found.is_some();
                Verdict { origin: found.map(|origin| origin.whole), varies, ..Verdict::default() }
            }
        };
        verdict.credentials = self.credentials;
        verdict
    }

    fn preflight(&self, exchange: &Exchange) -> Answer {
        let asked = |name| exchange.request.headers.get(name);
        let verdict = self.verdict(exchange.request.headers.get_str("origin"));
        let mut answer = Answer::bytes(200, "");
        if verdict.varies {
            answer = answer.header("Vary", "Origin");
        }
        if let Some(origin) = verdict.origin {
            answer = answer.header("Access-Control-Allow-Origin", origin);
        }
        if verdict.credentials {
            answer = answer.header("Access-Control-Allow-Credentials", "true");
        }
        let headers = self.headers.as_deref().map(str::as_bytes).or_else(|| asked("access-control-request-headers"));
        if let Some(headers) = headers {
            answer = answer.header("Access-Control-Allow-Headers", headers);
        }
        answer = answer.header("Access-Control-Allow-Methods", self.methods.as_bytes());
        if let Some(max_age) = &self.max_age {
            answer = answer.header("Access-Control-Max-Age", max_age.as_bytes());
        }
        if self.private_network && asked("access-control-request-private-network") == Some(b"true") {
            answer = answer.header("Access-Control-Allow-Private-Network", "true");
        }
        answer
    }
}

fn joined(list: Option<Vec<String>>) -> Option<String> {
    list.filter(|list| !list.is_empty()).map(|list| list.join(","))
}

impl Plugin for Cors {
    const NAME: &'static str = "cors";
    const PRIORITY: i32 = 2000;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            origins: Allowed::new(config.origins.as_deref().unwrap_or_default())?,
            headers: joined(config.headers),
            exposed_headers: joined(config.exposed_headers),
            methods: config.methods.map_or_else(|| METHODS.to_owned(), |methods| methods.join(",")),
            max_age: config.max_age.map(number::text),
            credentials: config.credentials,
            private_network: config.private_network,
            preflight_continue: config.preflight_continue,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let headers = &exchange.request.headers;
        let asks = headers.contains("origin") && headers.contains("access-control-request-method");
        if exchange.request.method.as_slice() != b"OPTIONS" || !asks {
            return Step::NEXT;
        }
        exchange.state.put(Preflight);
        if self.preflight_continue { Step::NEXT } else { self.preflight(exchange).into() }
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        if exchange.state.get::<Preflight>().is_some() {
            return Flow::Next;
        }
        let verdict = self.verdict(exchange.request.headers.get_str("origin"));
        let headers = &mut exchange.response.headers;
        if verdict.varies {
            headers.append("Vary", "Origin");
        }
        match verdict.origin {
            Some(origin) => drop(headers.set("Access-Control-Allow-Origin", origin)),
            None => drop(headers.remove("Access-Control-Allow-Origin")),
        }
        if verdict.credentials {
            headers.set("Access-Control-Allow-Credentials", "true");
        }
        if let Some(exposed) = &self.exposed_headers {
            headers.set("Access-Control-Expose-Headers", exposed);
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request};
    use serde_json::{Value, json};

    fn shown(exchange: &Exchange) -> String {
        let line = |(name, value): (&[u8], &[u8])| {
            let name = String::from_utf8_lossy(name).replace("Access-Control-", "");
            format!("{name}={}", String::from_utf8_lossy(value))
        };
        exchange.response.headers.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    fn simple(config: Value, origin: Option<&str>) -> String {
        let headers: Vec<_> = origin.iter().map(|origin| ("Origin", *origin)).collect();
        let mut exchange = request("GET", "/", &headers, People::new(Manner::Knows));
        exchange.response.headers.append("Access-Control-Allow-Origin", "upstream");
        let plugin = plugin::<Cors>(config);
        assert_eq!(access(&plugin, &mut exchange), None);
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        shown(&exchange)
    }

    #[test]
    fn origins_of_ordinary_requests() {
        let list = json!({ "origins": ["http://shop.test:80", "https://admin.test"] });
        let regex = json!({ "origins": [r"https?://(www\.)?shop\.test(:[0-9]+)?", "^http://anchored[.]test$"] });
        let hosts = json!({ "origins": ["http://shop.test", r".*\.pets\.test", "plain.test"] });
        for (config, origin, headers) in [
            (json!({}), Some("http://shop.test"), "Allow-Origin=*"),
            (json!({}), None, "Allow-Origin=*"),
            (json!({ "origins": [] }), None, "Allow-Origin=*"),
            (json!({ "origins": ["http://s.test", "*"] }), Some("http://x.test"), "Allow-Origin=*"),
            (json!({ "origins": ["http://s.test"] }), Some("http://x.test"), "Allow-Origin=http://s.test Vary=Origin"),
            (list.clone(), Some("http://shop.test"), "Allow-Origin=http://shop.test Vary=Origin"),
            (list.clone(), Some("https://admin.test:443"), "Allow-Origin=https://admin.test Vary=Origin"),
            (list.clone(), Some("http://admin.test:443"), ""),
            (list, None, ""),
            (regex.clone(), Some("http://shop.test:3000"), "Allow-Origin=http://shop.test:3000 Vary=Origin"),
            (regex.clone(), Some("http://anchored.test"), "Allow-Origin=http://anchored.test Vary=Origin"),
            (regex.clone(), Some("http://x.http://shop.test"), ""),
            (regex, Some("http://shop.test.evil"), ""),
            (
                hosts.clone(),
                Some("https://cats.pets.test:4000"),
                "Allow-Origin=https://cats.pets.test:4000 Vary=Origin",
            ),
            (hosts.clone(), Some("http://pets.test"), ""),
            (hosts, Some("http://plain.test"), ""),
            (json!({ "origins": [r"(a|b)\.test"] }), Some("http://c.test"), "Vary=Origin"),
            (
                json!({ "credentials": true }),
                Some("http://s.test"),
                "Allow-Origin=http://s.test Vary=Origin Allow-Credentials=true",
            ),
            (json!({ "credentials": true }), None, "Allow-Origin=*"),
            (json!({ "exposed_headers": ["X-A", "X-B"] }), None, "Allow-Origin=* Expose-Headers=X-A,X-B"),
        ] {
            assert_eq!(simple(config.clone(), origin), headers, "{config} {origin:?}");
        }
    }

    fn preflight(config: Value, more: &[(&str, &str)]) -> String {
        let mut headers = vec![("Origin", "http://shop.test"), ("Access-Control-Request-Method", "PUT")];
        headers.extend_from_slice(more);
        let mut exchange = request("OPTIONS", "/", &headers, People::new(Manner::Knows));
        let plugin = plugin::<Cors>(config);
        assert_eq!(access(&plugin, &mut exchange), Some(200));
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        assert!(exchange.response.body.is_empty());
        shown(&exchange)
    }

    #[test]
    fn preflights_are_answered() {
        let all = format!("Allow-Methods={METHODS}");
        for (config, more, headers) in [
            (json!({}), &[][..], format!("Allow-Origin=* {all}")),
            (json!({ "methods": null }), &[], format!("Allow-Origin=* {all}")),
            (
                json!({}),
                &[("Access-Control-Request-Headers", "X-One,x-two")],
                format!("Allow-Origin=* Allow-Headers=X-One,x-two {all}"),
            ),
            (
                json!({ "origins": ["http://s.test"], "headers": ["X-Cart", "B"], "methods": ["GET", "PATCH"],
                    "max_age": 86, "exposed_headers": ["X-T"], "credentials": true }),
                &[("Access-Control-Request-Headers", "X-Other")],
                "Vary=Origin Allow-Origin=http://s.test Allow-Credentials=true Allow-Headers=X-Cart,B \
                 Allow-Methods=GET,PATCH Max-Age=86"
                    .to_owned(),
            ),
            (
                json!({ "private_network": true }),
                &[("Access-Control-Request-Private-Network", "true")],
                format!("Allow-Origin=* {all} Allow-Private-Network=true"),
            ),
            (json!({}), &[("Access-Control-Request-Private-Network", "true")], format!("Allow-Origin=* {all}")),
        ] {
            assert_eq!(preflight(config.clone(), more), headers, "{config}");
        }
    }

    #[test]
    fn what_is_no_preflight_goes_on() {
        let plugin = plugin::<Cors>(json!({}));
        for (method, headers) in [
            ("OPTIONS", &[][..]),
            ("OPTIONS", &[("Origin", "http://shop.test")]),
            ("OPTIONS", &[("Access-Control-Request-Method", "PUT")]),
            ("GET", &[("Origin", "http://shop.test"), ("Access-Control-Request-Method", "PUT")]),
        ] {
            let mut exchange = request(method, "/", headers, People::new(Manner::Knows));
            assert_eq!(access(&plugin, &mut exchange), None, "{method} {headers:?}");
        }
        let continued = crate::testing::plugin::<Cors>(json!({ "preflight_continue": true }));
        let headers = [("Origin", "http://shop.test"), ("Access-Control-Request-Method", "PUT")];
        let mut exchange = request("OPTIONS", "/", &headers, People::new(Manner::Knows));
        assert_eq!(access(&continued, &mut exchange), None);
        assert!(matches!(Plugin::header_filter(&continued, &mut exchange), Flow::Next));
        assert!(exchange.response.headers.is_empty());
    }
}
