//! `http-log`: entries as bodies of HTTP requests.

use super::custom_fields::{self, Chunks, CustomFields};
use crate::endpoint::Endpoint;
use crate::queue::{Legacy, Queue, millis};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, Services, Shipment};
use indexmap::IndexMap;
use schema::{Field, Map, Schema, Value};
use serde::Deserialize;
use std::sync::Arc;

/// Options of `http-log`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = one_authorization)]
pub struct Config {
    /// URL that entries are sent to. User information becomes basic authentication; a query is not sent.
    #[field(is = url, referenceable, encrypted)]
    pub http_endpoint: String,
    /// Method of the requests.
    #[field(default = "POST", one_of("POST", "PUT", "PATCH"))]
    pub method: Option<String>,
    /// Content type of the requests.
    #[field(default = "application/json", one_of("application/json", "application/json; charset=utf-8"))]
    pub content_type: Option<String>,
    /// Time-out of a request, in ms.
    #[field(default = 10_000)]
    pub timeout: Option<f64>,
    /// How long an idle connection is kept, in ms.
    #[field(default = 60_000)]
    pub keepalive: Option<f64>,
    /// Has no meaning any more.
    #[field(deprecated_since_default(
        "http-log: config.retry_count no longer works, please use config.queue.max_retry_time instead",
        10
    ))]
    pub retry_count: Option<i64>,
    /// The old name of `queue.max_batch_size`.
    #[field(deprecated_since_default(
        "http-log: config.queue_size is deprecated, please use config.queue.max_batch_size instead",
        1
    ))]
    pub queue_size: Option<i64>,
    /// The old name of `queue.max_coalescing_delay`.
    #[field(deprecated_since_default(
        "http-log: config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead",
        2
    ))]
    pub flush_timeout: Option<f64>,
    /// Further header lines of the requests.
    #[field(is = self::headers)]
    pub headers: Option<IndexMap<String, String>>,
    /// How entries wait and are sent.
    pub queue: Queue,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
}

fn headers(field: Field) -> Field {
    let pattern = |name: &str, pattern: &'static str| (format!("cannot contain '{name}' header"), pattern);
    let none = [
        pattern("Host", "^[Hh][Oo][Ss][Tt]$"),
        pattern("Content-Length", "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Ll][Ee][nn][Gg][Tt][Hh]$"),
        pattern("Content-Type", "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Tt][Yy][Pp][Ee]$"),
    ];
    field
        .keys(|key| {
            let key = none.into_iter().fold(key, |key, (text, pattern)| key.match_none(pattern, text));
            schema::typedefs::header_name(key)
        })
        .values(|value| value.referenceable(true))
}

/// Credentials stand in one place.
fn one_authorization(config: &Map<String, Value>) -> Result<(), String> {
    let endpoint = config.get("http_endpoint").and_then(Value::as_str).unwrap_or_default();
    let has_header = config.get("headers").and_then(Value::as_object).is_some_and(|headers| {
        headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("authorization") && !value.is_null())
    });
    if has_header && Endpoint::parse(endpoint).is_some_and(|endpoint| endpoint.user.is_some()) {
        return Err(
            "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed".to_owned()
        );
    }
    Ok(())
}

/// `http-log`, configured.
pub struct HttpLog {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
}

impl Plugin for HttpLog {
    const NAME: &'static str = "http-log";
    const PRIORITY: i32 = 12;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let legacy = Legacy {
            batch: config.queue_size.map(|size| (size, 1)),
            delay: config.flush_timeout.map(|delay| (delay, 2.0)),
        };
        let limits = config.queue.limits(&legacy);
        let name = format!("http-log {} {:?} {:?}", config.http_endpoint, limits, destination(&config).1);
        let (destination, _) = destination(&config);
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name,
            pack: if limits.max_batch_size > 1 && !limits.concurrent { Pack::JsonArray } else { Pack::Each },
            limits,
            destination,
        });
        Ok(Self { outbox, fields: CustomFields::new(Self::NAME, config.custom_fields_by_lua, about, services)? })
    }

    fn log(&self, exchange: &Exchange) {
        if let Some(entry) = self.fields.entry(exchange) {
            self.outbox.push(entry.into());
        }
    }
}

/// Where entries go, and the header lines they go with.
fn destination(config: &Config) -> (Destination, Vec<(String, String)>) {
    let endpoint = Endpoint::of(&config.http_endpoint);
    let content_type = config.content_type.as_deref().unwrap_or("application/json");
    let mut headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
    headers.extend(endpoint.authorization().map(|value| ("Authorization".to_owned(), value)));
    for (name, value) in config.headers.iter().flatten() {
        if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            headers.push((name.clone(), value.clone()));
        }
    }
    let destination = Destination::Http {
        method: config.method.clone().unwrap_or_else(|| "POST".to_owned()),
        url: endpoint.without_query(),
        headers: headers.clone(),
        timeout: millis(config.timeout, 10_000.0),
        // As Kong does: no authority is asked.
        verify: false,
        failure_from: 300,
    };
    (destination, headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin};
    use serde_json::json;
    use std::time::Duration;

    fn shipment(config: Value) -> Shipment {
        let shelf = Shelf::default();
        plugin::<HttpLog>(config, &shelf);
        shelf.shipments().remove(0)
    }

    #[test]
    fn requests_are_as_configured() {
        let shipment = shipment(json!({
            "http_endpoint": "http://joe:p%40w@logs.test:8080/in?token=1", "method": "PUT", "timeout": 250,
            "headers": { "X-A": "1" }, "content_type": "application/json; charset=utf-8",
        }));
        let expected = Destination::Http {
            method: "PUT".into(),
            url: "http://logs.test:8080/in".into(),
            headers: vec![
                ("Content-Type".into(), "application/json; charset=utf-8".into()),
                ("Authorization".into(), "Basic am9lOnBAdw==".into()),
                ("X-A".into(), "1".into()),
            ],
            timeout: Duration::from_millis(250),
            verify: false,
            failure_from: 300,
        };
        assert!(shipment.destination == expected);
        assert!(matches!(shipment.pack, Pack::Each));
    }

    #[test]
    fn batches_are_arrays_and_old_names_count() {
        for (config, size, delay) in [
            (json!({ "queue": { "max_batch_size": 3 } }), 3, 1),
            (json!({ "queue_size": 2, "flush_timeout": 30 }), 2, 30),
        ] {
            let Value::Object(mut config) = config else { unreachable!() };
            config.insert("http_endpoint".into(), "http://a.test".into());
            let shipment = shipment(config.into());
            assert_eq!(shipment.limits.max_batch_size, size);
            assert_eq!(shipment.limits.max_coalescing_delay, Duration::from_secs(delay));
            assert!(matches!(shipment.pack, Pack::JsonArray));
        }
    }

    #[test]
    fn other_destinations_are_other_queues() {
        let name = |endpoint: &str| shipment(json!({ "http_endpoint": endpoint })).name;
        assert_eq!(name("http://a.test/x"), name("http://a.test/x"));
        assert_ne!(name("http://a.test/x"), name("http://a.test/y"));
    }

    #[test]
    fn an_entry_is_what_the_serializer_says() {
        let shelf = Shelf::default();
        let plugin = plugin::<HttpLog>(json!({ "http_endpoint": "http://a.test" }), &shelf);
        Plugin::log(&plugin, &exchange("/a?x=1", &[]));
        let entry: Value = serde_json::from_str(&shelf.entries()[0]).expect("JSON");
        assert_eq!(entry["request"]["querystring"], json!({ "x": "1" }));
    }
}
