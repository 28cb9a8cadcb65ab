//! `xml-json`: XML for those who speak JSON, and JSON for those who speak XML.

mod convert;

use crate::bodies::{LARGEST, is_json};
use crate::form;
use bytes::Bytes;
use convert::{Names, Refused, to_json, to_xml};
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;

/// JSON of an XML document: an object with its outermost element. None where it is no XML.
pub(crate) fn document(xml: &[u8]) -> Option<serde_json::Value> {
    to_json(xml).ok()
}

/// Options of `xml-json`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// What requests' bodies become.
    #[field(one_of("json", "xml"))]
    pub request_to: Option<String>,
    /// What responses' bodies become.
    #[field(one_of("json", "xml"))]
    pub response_to: Option<String>,
    /// Name of the outermost element of JSON that is not an object with one member.
    #[field(default = "root", validate = element_name)]
    pub root_element: String,
    /// Name of the elements of a list in a list, and of one that is the whole document.
    #[field(default = "item", validate = element_name)]
    pub item_element: String,
}

fn element_name(name: &str) -> Result<(), String> {
    if convert::is_name(name) { Ok(()) } else { Err("must be the name of an element".to_owned()) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

impl Format {
    fn of(name: &str) -> Self {
        if name == "xml" { Self::Xml } else { Self::Json }
    }

    fn other(self) -> Self {
        match self {
            Self::Json => Self::Xml,
            Self::Xml => Self::Json,
        }
    }

    /// Whether a Content-Type is of this format.
    fn is(self, content_type: &str) -> bool {
        let bare = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self {
            Self::Json => is_json(content_type),
            Self::Xml => ["application/xml", "text/xml"].contains(&&*bare) || bare.ends_with("+xml"),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// `xml-json`, configured.
pub struct XmlJson {
    request_to: Option<Format>,
    response_to: Option<Format>,
    names: Names,
}

impl XmlJson {
    fn converted(&self, body: &[u8], to: Format) -> Result<Bytes, Refused> {
        match to {
            Format::Json => to_json(body).map(|document| Bytes::from(document.to_string())),
            Format::Xml => to_xml(body, &self.names).map(Bytes::from),
        }
    }

    async fn convert(&self, exchange: &mut Exchange, to: Format) -> Flow {
        let body = match exchange.request.body.read(LARGEST).await {
            Ok(body) => body,
            Err(error) => return form::broken(&error).into(),
        };
        match self.converted(&body, to) {
            Ok(converted) => {
                exchange.request.headers.set("Content-Type", to.media_type());
                form::replace(exchange, converted);
                Flow::Next
            }
            Err(error) => {
                tracing::debug!(plugin = Self::NAME, %error, "a request was not converted");
                let format = if to == Format::Json { "XML" } else { "JSON" };
                Answer::message(400, &format!("request body cannot be converted from {format}")).into()
            }
        }
    }
}

impl Plugin for XmlJson {
    const NAME: &'static str = "xml-json";
    const PRIORITY: i32 = 813;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::ALL)
            .check(Check::at_least_one_of(["config.request_to", "config.response_to"]))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            request_to: config.request_to.as_deref().map(Format::of),
            response_to: config.response_to.as_deref().map(Format::of),
            names: Names { root: config.root_element, item: config.item_element },
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        // What a response is called depends on whether it can be converted: it must be whole before its head goes out.
        exchange.buffer_response |= self.response_to.is_some();
        let given = exchange.request.headers.get_str("content-type").unwrap_or_default();
        match self.request_to {
            Some(to) if to.other().is(given) && !matches!(exchange.request.body, Body::Empty) => {
                Step::Wait(Box::pin(self.convert(exchange, to)))
            }
            _ => Step::NEXT,
        }
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let Some(to) = self.response_to else { return Flow::Next };
        let response = &mut exchange.response;
        let given = response.headers.get_str("content-type").unwrap_or_default();
        // What is packed is of neither format.
        if response.body.is_empty() || !to.other().is(given) || response.headers.contains("content-encoding") {
            return Flow::Next;
        }
        match self.converted(&response.body, to) {
            Ok(converted) => {
                response.body = converted;
                response.headers.set("Content-Type", to.media_type());
                response.headers.remove("content-length");
            }
            Err(error) => tracing::warn!(plugin = Self::NAME, "a response was not converted: {error}"),
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request, with_body};
    use serde_json::json;

    #[test]
    fn requests_are_converted() {
        for (to, kind, body, expected) in [
            ("json", "text/xml; charset=utf-8", "<a><b>1</b></a>", Ok(("application/json", r#"{"a":{"b":"1"}}"#))),
            ("json", "application/soap+xml", "<a/>", Ok(("application/json", r#"{"a":null}"#))),
            ("json", "application/json", "{}", Ok(("application/json", "{}"))),
            ("json", "application/xml", "<a>", Err("request body cannot be converted from XML")),
            (
                "xml",
                "application/json",
                r#"{"a":[1]}"#,
                Ok(("application/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><all><a>1</a></all>")),
            ),
            ("xml", "application/json", "{", Err("request body cannot be converted from JSON")),
            ("xml", "text/plain", "{", Ok(("text/plain", "{"))),
        ] {
            let plain = request("POST", "/", &[], People::new(Manner::Knows));
            let mut exchange = with_body(plain, kind, body);
            let config = json!({ "request_to": to, "root_element": "all" });
            match (access(&plugin::<XmlJson>(config), &mut exchange), expected) {
                (None, Ok((kind, body))) => {
                    assert_eq!(exchange.request.headers.get_str("content-type"), Some(kind));
                    let Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
                    assert_eq!(&sent[..], body.as_bytes());
                }
                (Some(status), Err(text)) => assert_eq!((status, message(&exchange).as_str()), (400, text)),
                (status, _) => panic!("{kind} {body}: {status:?}"),
            }
            assert!(!exchange.buffer_response);
        }
    }

    #[test]
    fn responses_are_converted_where_they_can_be() {
        for (kind, body, after) in [
            ("application/xml", "<a>1</a>", ("application/json", r#"{"a":"1"}"#)),
            ("application/xml", "<a>", ("application/xml", "<a>")),
            ("text/html", "<a/>", ("text/html", "<a/>")),
            ("application/xml", "", ("application/xml", "")),
        ] {
            let converter: XmlJson = plugin(json!({ "response_to": "json" }));
            let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
            assert_eq!(access(&converter, &mut exchange), None);
            assert!(exchange.buffer_response);
            exchange.response.headers.append("Content-Type", kind);
            exchange.response.body = Bytes::from_static(body.as_bytes());
            assert!(matches!(Plugin::header_filter(&converter, &mut exchange), Flow::Next));
            let response = &exchange.response;
            assert_eq!(response.headers.get_str("content-type"), Some(after.0));
            assert_eq!(response.body, after.1);
        }
    }

    #[test]
    fn names_are_those_of_elements() {
        assert!(element_name("a-b.c").is_ok());
        for name in ["", "1", "a b", "<"] {
            assert!(element_name(name).is_err(), "{name}");
        }
    }
}
