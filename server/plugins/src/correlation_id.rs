//! `correlation-id`: a header that names a request on its whole way.

use entities::PluginSchema;
use exchange::log_entry::Mode;
use exchange::{About, Exchange, Flow, Phases, Plugin, RequestId, Services, Step};
use schema::Schema;
use serde::Deserialize;
use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `correlation-id`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// The header.
    #[field(default = "Kong-Request-ID")]
    pub header_name: Option<String>,
    /// How a value is made where the client sent none.
    #[field(default = "uuid#counter")]
    pub generator: Generator,
    /// Whether the client gets the value, too.
    #[field(default = false)]
    pub echo_downstream: bool,
}

/// Ways to make a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
pub enum Generator {
    /// A fresh UUID.
    #[serde(rename = "uuid")]
    Uuid,
    /// A UUID per worker, `#`, and the number of the value on this worker.
    #[serde(rename = "uuid#counter")]
    Counter,
    /// `address-port-process-connection-request-time` of the connection's end here; time in seconds with ms.
    #[serde(rename = "tracker")]
    Tracker,
}

/// `correlation-id`, configured.
pub struct CorrelationId {
    header: Option<String>,
    generator: Generator,
    echo: bool,
}

/// The value of a request, for later phases and logs (`correlation_id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation(pub Vec<u8>);

thread_local! {
    /// This worker's UUID, and how many values it has made.
    static WORKER: (String, Cell<u64>) = (uuid(), Cell::new(0));
}

/// A UUID of version 4 from a request id's random bits, which cost no system call.
fn uuid() -> String {
    let bits = u128::from_str_radix(RequestId::fresh().as_str(), 16).unwrap_or_default();
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

impl Generator {
    fn value(self, exchange: &Exchange) -> String {
        match self {
            Self::Uuid => uuid(),
            Self::Counter => WORKER.with(|(uuid, count)| {
                count.set(count.get() + 1);
                format!("{uuid}#{}", count.get())
            }),
            Self::Tracker => {
                let request = &exchange.request;
                let address = request.local.map_or_else(|| "127.0.0.1".to_owned(), |local| local.ip().to_string());
                let port = request.local.map_or(request.port, |local| local.port());
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                format!(
                    "{address}-{port}-{}-{}-{}-{}.{:03}",
                    std::process::id(),
                    request.connection,
                    request.connection_requests,
                    now.as_secs(),
                    now.subsec_millis()
                )
            }
        }
    }
}

impl CorrelationId {
    /// The client's value, unless it is empty.
    fn given(&self, exchange: &Exchange) -> Option<Vec<u8>> {
        let value = exchange.request.headers.get(self.header.as_deref()?)?;
        (!value.is_empty()).then(|| value.to_vec())
    }
}

impl Plugin for CorrelationId {
    const NAME: &'static str = "correlation-id";
    const PRIORITY: i32 = 100_001;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self { header: config.header_name, generator: config.generator, echo: config.echo_downstream })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let Some(header) = &self.header else { return Step::NEXT };
        let value = self.given(exchange).unwrap_or_else(|| {
            let value = self.generator.value(exchange);
            exchange.request.headers.set(header, &value);
            value.into_bytes()
        });
        exchange.log_values.set("correlation_id", Mode::Set, String::from_utf8_lossy(&value).into());
        exchange.state.put(Correlation(value));
        Step::NEXT
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let Some(header) = self.header.as_deref().filter(|_| self.echo) else { return Flow::Next };
        // Access has not run where no Route matched, or where the request was refused before.
        let value = exchange.state.get::<Correlation>().map(|value| value.0.clone());
        let value = value.or_else(|| self.given(exchange));
        let value = value.unwrap_or_else(|| self.generator.value(exchange).into_bytes());
        exchange.response.headers.set(header, value);
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request};
    use serde_json::json;

    fn run(config: serde_json::Value, given: &[(&str, &str)], name: &str) -> (String, Option<String>) {
        let plugin = plugin::<CorrelationId>(config);
        let mut exchange = request("GET", "/", given, People::new(Manner::Knows));
        assert_eq!(access(&plugin, &mut exchange), None);
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        let sent = exchange.request.headers.get_str(name).unwrap_or_default().to_owned();
        let value = exchange.state.get::<Correlation>().map(|value| String::from_utf8_lossy(&value.0).into_owned());
        assert_eq!(value.as_deref(), Some(sent.as_str()));
        (sent, exchange.response.headers.get_str(name).map(str::to_owned))
    }

    fn is_uuid(text: &str) -> bool {
        text.len() == 36 && uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.get_version_num() == 4)
    }

    #[test]
    fn values_are_made_kept_and_echoed() {
        let (value, echo) = run(json!({}), &[], "kong-request-id");
        let (uuid, count) = value.split_once('#').unwrap();
        assert!(is_uuid(uuid) && count.parse::<u64>().is_ok() && echo.is_none(), "{value}");
        let (next, _) = run(json!({}), &[], "kong-request-id");
        assert_eq!(next, format!("{uuid}#{}", count.parse::<u64>().unwrap() + 1));

        let (value, echo) =
            run(json!({ "generator": "uuid", "echo_downstream": true, "header_name": "X-Cid" }), &[], "x-cid");
        assert!(is_uuid(&value) && echo.as_deref() == Some(&value));

        let given = [("Kong-Request-ID", "mine-7")];
        assert_eq!(
            run(json!({ "echo_downstream": true }), &given, "kong-request-id"),
            ("mine-7".into(), Some("mine-7".into()))
        );
        let (value, _) = run(json!({ "generator": "uuid" }), &[("Kong-Request-ID", "")], "kong-request-id");
        assert!(is_uuid(&value));
    }

    #[test]
    fn trackers_tell_the_connection() {
        let (value, _) = run(json!({ "generator": "tracker" }), &[], "kong-request-id");
        let parts: Vec<_> = value.split('-').collect();
        let (seconds, millis) = parts[5].split_once('.').unwrap();
        assert_eq!((parts[0], parts[1], parts[2]), ("127.0.0.1", "8000", std::process::id().to_string().as_str()));
        assert!(parts.len() == 6 && seconds.parse::<u64>().is_ok() && millis.len() == 3, "{value}");
    }

    #[test]
    fn a_request_that_saw_no_access_is_named_all_the_same() {
        let plugin = plugin::<CorrelationId>(json!({ "generator": "uuid", "echo_downstream": true }));
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        assert!(is_uuid(exchange.response.headers.get_str("kong-request-id").unwrap()));
    }
}
