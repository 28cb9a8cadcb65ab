//! `json-threat-protection`: refuses JSON that is larger or deeper than an API has use for.

use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Exchange, Flow, Phases, Plugin, Services, Step, form};
use schema::Schema;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Options of `json-threat-protection`. −1 is no limit.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Largest body, in bytes; what does not tell its length is larger.
    #[field(default = 8192, between(-1, 2_147_483_648_f64))]
    pub max_body_size: i64,
    /// How deep objects and lists may be nested; the outermost is 1.
    #[field(default = -1, between(-1, 2_147_483_648_f64))]
    pub max_container_depth: i64,
    /// Most members of one object.
    #[field(default = -1, between(-1, 2_147_483_648_f64))]
    pub max_object_entry_count: i64,
    /// Longest name of a member, in characters.
    #[field(default = -1, between(-1, 2_147_483_648_f64))]
    pub max_object_entry_name_length: i64,
    /// Most elements of one list.
    #[field(default = -1, between(-1, 2_147_483_648_f64))]
    pub max_array_element_count: i64,
    /// Longest text, in characters.
    #[field(default = -1, between(-1, 2_147_483_648_f64))]
    pub max_string_value_length: i64,
    /// Whether what is against the rules is refused, or only told in the log.
    #[field(default = "block", one_of("block", "log_only"))]
    pub enforcement_mode: String,
    /// Status of refusals.
    #[field(default = 400, between(400, 499))]
    pub error_status_code: u16,
    /// Message of refusals.
    #[field(default = "Bad Request")]
    pub error_message: String,
}

/// The largest body that is looked into where there is no limit, in bytes.
const LARGEST: u64 = 16 << 20;

/// `json-threat-protection`, configured.
pub struct JsonThreatProtection {
    config: Config,
    blocks: bool,
}

/// One place in a document.
#[derive(Clone, Copy)]
struct Place<'c> {
    config: &'c Config,
    /// Containers around it.
    depth: i64,
}

fn exceeds(count: i64, limit: i64) -> bool {
    limit >= 0 && count > limit
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

impl Place<'_> {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if exceeds(depth, self.config.max_container_depth) {
            return Err(E::custom("the maximum container depth is exceeded"));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if exceeds(characters(text), self.config.max_string_value_length) {
            return Err(E::custom("the maximum string length is exceeded"));
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut count = 0;
        while list.next_element_seed(inside)?.is_some() {
            count += 1;
            if exceeds(count, self.config.max_array_element_count) {
                return Err(A::Error::custom("the maximum number of array elements is exceeded"));
            }
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut count = 0;
        while object.next_key_seed(MemberName(self.config))?.is_some() {
            count += 1;
            if exceeds(count, self.config.max_object_entry_count) {
                return Err(A::Error::custom("the maximum number of object entries is exceeded"));
            }
            object.next_value_seed(inside)?;
        }
        Ok(())
    }
}

struct MemberName<'c>(&'c Config);

impl<'de> DeserializeSeed<'de> for MemberName<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        if exceeds(characters(name), self.0.max_object_entry_name_length) {
            return Err(E::custom("the maximum length of an object entry name is exceeded"));
        }
        Ok(())
    }
}

/// What is wrong with a document.
fn violation(config: &Config, body: &[u8]) -> Option<String> {
    let mut document = serde_json::Deserializer::from_slice(body);
    let checked = Place { config, depth: 0 }.deserialize(&mut document).and_then(|()| document.end());
    checked.err().map(|error| error.to_string())
}

impl JsonThreatProtection {
    fn refuse(&self, why: &str) -> Flow {
        let action = if self.blocks { "block" } else { "log_only" };
        tracing::warn!(plugin = Self::NAME, "threat detected: {why}, action taken: {action}");
        match self.blocks {
            true => Answer::message(self.config.error_status_code, &self.config.error_message).into(),
            false => Flow::Next,
        }
    }
}

impl Plugin for JsonThreatProtection {
    const NAME: &'static str = "json-threat-protection";
    const PRIORITY: i32 = 1009;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self { blocks: config.enforcement_mode == "block", config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let request = &exchange.request;
        let looks = matches!(request.method.as_slice(), b"POST" | b"PUT" | b"PATCH");
        if !looks || matches!(request.body, Body::Empty) {
            return Step::NEXT;
        }
        let limit = u64::try_from(self.config.max_body_size).unwrap_or(LARGEST);
        match request.content_length {
            None => return Step::Ready(self.refuse("the request does not tell its length")),
            Some(length) if length > limit => return Step::Ready(self.refuse("the maximum body size is exceeded")),
            // What was let through before is not held in memory, whatever the limit.
            Some(length) if length > LARGEST => return Step::Ready(self.refuse("the body is too large to look into")),
            Some(_) => {}
        }
        Step::Wait(Box::pin(async move {
            match exchange.request.body.read(LARGEST).await {
                Ok(body) => match violation(&self.config, &body) {
                    Some(why) => self.refuse(&why),
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
    use serde_json::{Value, json};

    fn run(config: Value, method: &str, body: &str) -> Option<(u16, String)> {
        let plain = request(method, "/", &[], People::new(Manner::Knows));
        let mut exchange = with_body(plain, "text/plain", body.to_owned());
        let status = access(&plugin::<JsonThreatProtection>(config), &mut exchange)?;
        Some((status, message(&exchange)))
    }

    #[test]
    fn limits_hold() {
        for (limit, body, passes) in [
            (json!({}), r#"{"a": [1, 2.5, null, true, "x", {}]}"#, true),
            (json!({}), r#"{"a": "#, false),
            (json!({}), r#"{} {}"#, false),
            (json!({}), "no json", false),
            (json!({ "max_container_depth": 2 }), r#"{"a": {"b": 1}, "c": [1]}"#, true),
            (json!({ "max_container_depth": 2 }), r#"{"a": {"b": {}}}"#, false),
            (json!({ "max_container_depth": 2 }), r#"[[[]]]"#, false),
            (json!({ "max_container_depth": 0 }), "5", true),
            (json!({ "max_container_depth": 0 }), "[]", false),
            (json!({ "max_array_element_count": 2 }), r#"{"a": [1, 2]}"#, true),
            (json!({ "max_array_element_count": 2 }), r#"{"a": [1, 2, 3]}"#, false),
            (json!({ "max_object_entry_count": 1 }), r#"{"a": {"b": 1}}"#, true),
            (json!({ "max_object_entry_count": 1 }), r#"{"a": 1, "a": 2}"#, false),
            (json!({ "max_object_entry_name_length": 2 }), r#"{"äö": 1}"#, true),
            (json!({ "max_object_entry_name_length": 2 }), r#"{"abc": 1}"#, false),
            (json!({ "max_string_value_length": 2 }), r#"["\u00e4ö"]"#, true),
            (json!({ "max_string_value_length": 2 }), r#"{"abc": "abc"}"#, false),
            (json!({ "max_string_value_length": 0 }), r#"{"abc": ""}"#, true),
            (json!({ "max_body_size": 4 }), "1234", true),
            (json!({ "max_body_size": 4 }), "12345", false),
            (json!({ "max_body_size": -1 }), format!("\"{}\"", "x".repeat(9000)).as_str(), true),
            (json!({}), format!("\"{}\"", "x".repeat(9000)).as_str(), false),
        ] {
            for method in ["POST", "PUT", "PATCH"] {
                let expected = (!passes).then(|| (400, "Bad Request".to_owned()));
                assert_eq!(run(limit.clone(), method, body), expected, "{limit} {body}");
            }
            assert_eq!(run(limit, "GET", body), None);
        }
    }

    #[test]
    fn refusals_are_as_configured() {
        let strict = json!({ "error_status_code": 422, "error_message": "too much", "max_container_depth": 0 });
        assert_eq!(run(strict, "POST", "[]"), Some((422, "too much".to_owned())));
        assert_eq!(run(json!({ "enforcement_mode": "log_only", "max_body_size": 1 }), "POST", "[[]]"), None);
        let mut unknown = with_body(request("POST", "/", &[], People::new(Manner::Knows)), "application/json", "[]");
        unknown.request.content_length = None;
        assert_eq!(access(&plugin::<JsonThreatProtection>(json!({})), &mut unknown), Some(400));
    }

    proptest! {
        #[test]
        fn without_limits_all_json_passes(text in "[\\[\\]{}\":,a0 ]{1,24}") {
            let config = json!({ "max_body_size": -1 });
            let json = serde_json::from_str::<Value>(&text).is_ok();
            prop_assert_eq!(run(config, "POST", &text).is_none(), json);
        }
    }
}
