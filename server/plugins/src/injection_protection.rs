//! `injection-protection`: refuses requests that look like attacks on what is behind: SQL, scripts, XPath and the like.

use crate::form;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Exchange, Flow, Pattern, Phases, Plugin, Services, Step};
use regex::bytes::Regex;
use schema::{Map, Schema, Set, Value};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Options of `injection-protection`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = distinct_names)]
pub struct Config {
    /// What is looked for.
    #[field(
        default(["sql"]),
        elements(one_of("java_exception", "js", "sql", "ssi", "xpath_abbreviated", "xpath_extended"))
    )]
    pub injection_types: Option<Set<String>>,
    /// Where it is looked for.
    #[field(default(["path_and_query"]), elements(one_of("body", "headers", "path_and_query")))]
    pub locations: Option<Set<String>>,
    /// Regular expressions that are looked for as well.
    pub custom_injections: Option<Vec<Custom>>,
    /// Whether what is found is refused, or only told in the log.
    #[field(default = "block", one_of("block", "log_only"))]
    pub enforcement_mode: String,
    /// Status of refusals.
    #[field(default = 400, between(400, 499))]
    pub error_status_code: u16,
    /// Message of refusals.
    #[field(default = "Bad Request")]
    pub error_message: String,
}

/// A regular expression of one's own.
#[derive(Debug, Deserialize, Schema)]
pub struct Custom {
    /// What the log calls it.
    pub name: String,
    /// What it looks for (PCRE).
    #[field(is_regex)]
    pub regex: String,
}

fn distinct_names(config: &Map<String, Value>) -> Result<(), String> {
    let listed = config.get("custom_injections").and_then(Value::as_array);
    let mut names: Vec<_> = listed.into_iter().flatten().filter_map(|custom| custom["name"].as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("custom_injections: '{}' is there twice", pair[0])),
        None => Ok(()),
    }
}

/// What each type looks for. Texts are matched decoded, in lines of any length.
static TYPES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let patterns = [
        ("java_exception", r"(?is-u)exception\s+in\s+thread|\bat\s+[\w.$]+\([\w]+\.java:\d+\)"),
        (
            "js",
            r"(?is-u)<\s*script\b[^>]*>|<\s*/\s*script\s*>|\bjavascript\s*:|<[^>]+\bon(?:error|load|click|focus|mouse\w+)\s*=",
        ),
        (
            "sql",
            r"(?is-u)\b(?:drop|truncate|alter)\s+(?:table|database|index|view)\b|\binsert\s+into\b|\bdelete\s+from\b|\bupdate\s+[\w.`\x22\[\]]+\s+set\b|\bunion\s+(?:all\s+)?select\b|\bselect\b.+\bfrom\b|\bexec(?:ute)?\s+(?:xp_|sp_|\()|;\s*shutdown\b|['\x22)\d]\s*\b(?:or|and)\b\s*['\x22(]?[\w]+['\x22)]?\s*(?:=|<|>|\blike\b)",
        ),
        ("ssi", r"(?is-u)<!--\s*#\s*(?:include|exec|echo|config|printenv|set|if)\b"),
        ("xpath_abbreviated", r"(?is-u)//(?:@|\*|\w+\s*\[)|/@\w+|\w+\s*\[\s*(?:@\w+|position\(\)|last\(\)|\d+\s*=)"),
        (
            "xpath_extended",
            r"(?is-u)\b(?:ancestor|ancestor-or-self|attribute|child|descendant|descendant-or-self|following|following-sibling|namespace|parent|preceding|preceding-sibling|self)::",
        ),
    ];
    patterns.into_iter().filter_map(|(name, pattern)| Some((name, Regex::new(pattern).ok()?))).collect()
});

/// `injection-protection`, configured.
pub struct InjectionProtection {
    config: Config,
    blocks: bool,
    known: Vec<&'static (&'static str, Regex)>,
    custom: Vec<(String, Pattern)>,
    path: bool,
    headers: bool,
    body: bool,
}

/// The largest body that is looked into, in bytes.
const LARGEST: u64 = form::BODY_LIMIT;

impl InjectionProtection {
    /// The name of what a text looks like.
    fn named(&self, text: &[u8]) -> Option<&str> {
        let known = self.known.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(name, _)| *name);
        known.or_else(|| self.custom.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(name, _)| name.as_str()))
    }

    /// What is found in head and target: its name, and where.
    fn in_head(&self, exchange: &Exchange) -> Option<(&str, String)> {
        let request = &exchange.request;
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if self.path {
            if let Some(name) = self.named(&form::decoded(&request.path)) {
                return Some((name, "path_and_query, path".to_owned()));
            }
            for (key, value) in form::pairs(request.query.as_deref().unwrap_or_default()) {
                let value = value.unwrap_or(Cow::Borrowed(b""));
                if let Some(name) = self.named(&key).or_else(|| self.named(&value)) {
                    return Some((name, format!("path_and_query, query parameter {}", lossy(&key))));
                }
            }
        }
        if self.headers {
            for (line, value) in request.headers.iter() {
                if let Some(name) = self.named(value) {
                    return Some((name, format!("headers, {}", lossy(line))));
                }
            }
        }
        None
    }

    fn in_body(&self, exchange: &Exchange, body: &[u8]) -> Option<&str> {
        let kind = exchange.request.headers.get_str("content-type").unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            let mut pairs = form::pairs(body);
            return pairs.find_map(|(key, value)| self.named(&key).or_else(|| self.named(&value.unwrap_or_default())));
        }
        // Escapes of JSON hide nothing.
        match serde_json::from_slice::<Value>(body) {
            Ok(document) => self.in_document(&document),
            Err(_) => self.named(body),
        }
    }

    fn in_document(&self, document: &Value) -> Option<&str> {
        match document {
            Value::String(text) => self.named(text.as_bytes()),
            Value::Array(items) => items.iter().find_map(|item| self.in_document(item)),
            Value::Object(members) => members
                .iter()
                .find_map(|(name, member)| self.named(name.as_bytes()).or_else(|| self.in_document(member))),
            _ => None,
        }
    }

    /// What was found is told without the text itself, which may be secret.
    fn found(&self, name: &str, place: &str) -> Flow {
        let action = if self.blocks { "block" } else { "log_only" };
        tracing::warn!(plugin = Self::NAME, "threat detected: '{name}', action taken: {action}, found in {place}");
        match self.blocks {
            true => Answer::message(self.config.error_status_code, &self.config.error_message).into(),
            false => Flow::Next,
        }
    }

    /// A body that cannot be looked into is as suspicious as what might be in it.
    fn unseen(&self, why: &str) -> Step<'static> {
        tracing::warn!(plugin = Self::NAME, "a body could not be looked into: {why}");
        match self.blocks {
            true => Answer::page(413).into(),
            false => Step::NEXT,
        }
    }
}

impl Plugin for InjectionProtection {
    const NAME: &'static str = "injection-protection";
    const PRIORITY: i32 = 1007;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let has =
            |list: &Option<Set<String>>, name: &str| list.iter().flat_map(|list| list.iter()).any(|one| one == name);
        let custom = config.custom_injections.iter().flatten();
        let custom = custom.map(|custom| Ok((custom.name.clone(), Pattern::pcre(&custom.regex)?)));
        Ok(Self {
            blocks: config.enforcement_mode == "block",
            known: TYPES.iter().filter(|(name, _)| has(&config.injection_types, name)).collect(),
            custom: custom.collect::<Result<_, String>>()?,
            path: has(&config.locations, "path_and_query"),
            headers: has(&config.locations, "headers"),
            body: has(&config.locations, "body"),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if let Some((name, place)) = self.in_head(exchange) {
            return Step::Ready(self.found(name, &place));
        }
        if !self.body || matches!(exchange.request.body, Body::Empty) {
            return Step::NEXT;
        }
        match exchange.request.content_length {
            Some(length) if length > LARGEST => return self.unseen("it is too large"),
            // What is only watched must not be lost where it turns out to be too large.
            None if !self.blocks => return self.unseen("it does not tell its length"),
            _ => {}
        }
        Step::Wait(Box::pin(async move {
            match exchange.request.body.read(LARGEST).await {
                Ok(body) => match self.in_body(exchange, &body) {
                    Some(name) => self.found(name, "body"),
                    None => Flow::Next,
                },
                Err(error) => form::broken(&error).into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request, with_body};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn attacks_are_known_and_prose_is_not() {
        assert_eq!(TYPES.len(), 6);
        for (kind, attacks, harmless) in [
            (
                "sql",
                &[
                    "1' OR '1'='1",
                    "1 or 1=1",
                    "x; DROP  TABLE users",
                    "a UNION ALL SELECT b",
                    "select name from users",
                    "insert into test",
                    "update users set a=1",
                    "1; shutdown",
                    "exec xp_cmdshell",
                ][..],
                &["select one", "drop me a line", "this or that", "update the page", "union of workers", "from insert"]
                    [..],
            ),
            (
                "js",
                &[
                    "<script>alert(1)</script>",
                    "< SCRIPT src=x>",
                    "javascript:alert(1)",
                    "<img src=x onerror=alert(1)>",
                ],
                &["a script", "java script", "1 < 2 > 0"],
            ),
            ("ssi", &["<!--#exec cmd=\"ls\" -->", "<!-- #include virtual=x -->"], &["<!-- a comment -->", "#include"]),
            ("xpath_abbreviated", &["//user[name='x']", "/@id", "//*"], &["/a/b", "a@b.test", "a[b]"]),
            ("xpath_extended", &["ancestor::node()", "/descendant-or-self::a"], &["ancestor: nobody", "a::b"]),
            (
                "java_exception",
                &["Exception in thread \"main\" x", "at com.a.B(B.java:7)"],
                &["an exception to the thread", "B.java"],
            ),
        ] {
            let plugin: InjectionProtection = plugin(json!({ "injection_types": [kind] }));
            attacks.iter().for_each(|text| assert_eq!(plugin.named(text.as_bytes()), Some(kind), "{kind}: {text}"));
            harmless.iter().for_each(|text| assert_eq!(plugin.named(text.as_bytes()), None, "{kind}: {text}"));
        }
    }

    #[test]
    fn places_are_looked_into_as_configured() {
        let attack = "insert into test";
        let escaped = "insert%20into%20test";
        let json = "{\"a\": [\"insert \\u0069nto test\"]}";
        for (location, target, header, kind, body, found) in [
            ("path_and_query", format!("/{escaped}").as_str(), "", "", "", true),
            ("path_and_query", "/?a=insert+into+test", "", "", "", true),
            ("path_and_query", "/?insert+into+test", "", "", "", true),
            ("path_and_query", "/", attack, "text/plain", attack, false),
            ("headers", "/", attack, "", "", true),
            ("headers", format!("/{escaped}").as_str(), "", "text/plain", attack, false),
            ("body", "/", "", "text/plain", attack, true),
            ("body", "/", "", "application/json", json, true),
            ("body", "/", "", "application/json", r#"{"insert into t": 1}"#, true),
            ("body", "/", "", "application/x-www-form-urlencoded", "a=1&b=insert%20into+test", true),
            ("body", "/", "", "application/x-www-form-urlencoded", "a=1", false),
            ("body", format!("/{escaped}").as_str(), attack, "", "", false),
        ] {
            for (mode, status) in [("block", 400), ("log_only", 0)] {
                let config = json!({ "locations": [location], "enforcement_mode": mode });
                let mut exchange = request("POST", target, &[("X-A", header)], People::new(Manner::Knows));
                if !kind.is_empty() {
                    exchange = with_body(exchange, kind, body.to_owned());
                }
                let expected = (found && mode == "block").then_some(status);
                let given = access(&plugin::<InjectionProtection>(config), &mut exchange);
                assert_eq!(given, expected, "{location} {target} {header} {body}");
            }
        }
    }

    #[test]
    fn own_expressions_and_refusals() {
        let config = json!({
            "injection_types": [], "custom_injections": [{ "name": "cards", "regex": "\\b\\d{16}\\b" }],
            "error_status_code": 422, "error_message": "no cards",
        });
        let guard: InjectionProtection = plugin(config);
        let mut exchange = request("GET", "/?n=4111111111111111", &[], People::new(Manner::Knows));
        assert_eq!(access(&guard, &mut exchange), Some(422));
        assert_eq!(message(&exchange), "no cards");
        let twice = json!({ "custom_injections": [{ "name": "a", "regex": "b" }, { "name": "a", "regex": "c" }] });
        assert!(distinct_names(twice.as_object().unwrap()).is_err());
        // What cannot be seen does not pass where it must not.
        for (mode, length, status) in
            [("block", Some(LARGEST + 1), Some(413)), ("log_only", Some(LARGEST + 1), None), ("log_only", None, None)]
        {
            let config = json!({ "locations": ["body"], "enforcement_mode": mode });
            let mut large = with_body(request("POST", "/", &[], People::new(Manner::Knows)), "text/plain", "x");
            large.request.content_length = length;
            assert_eq!(access(&plugin::<InjectionProtection>(config), &mut large), status);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_looked_into(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let guard: InjectionProtection = plugin(json!({ "locations": ["body"], "injection_types": ["sql", "js", "ssi"] }));
            let mut exchange = with_body(request("POST", "/", &[], People::new(Manner::Knows)), "application/json", body);
            access(&guard, &mut exchange);
        }
    }
}
