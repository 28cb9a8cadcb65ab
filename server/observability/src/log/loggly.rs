//! `loggly`: entries for Loggly, as syslog messages in datagrams.

use super::custom_fields::{self, Chunks, CustomFields};
use super::severity::{Severities, Severity};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment};
use schema::{Schema, Set};
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// RFC 5424 §6.2.3, in whole seconds.
const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// Loggly's number among private enterprises.
const ENTERPRISE: u32 = 41058;

/// Options of `loggly`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Name or address of the server.
    #[field(default = "logs-01.loggly.com", is = host)]
    pub host: Option<String>,
    /// Its port.
    #[field(default = 514, is = port)]
    pub port: Option<u16>,
    /// The customer token.
    #[field(referenceable, encrypted)]
    pub key: String,
    /// Tags of the entries.
    #[field(default(["kong"]))]
    pub tags: Option<Set<String>>,
    /// Entries of a lower severity are not sent.
    #[field(default = "info")]
    pub log_level: Option<Severity>,
    /// Severity of requests that went well.
    #[field(default = "info")]
    pub successful_severity: Option<Severity>,
    /// Severity of answers from 400.
    #[field(default = "info")]
    pub client_errors_severity: Option<Severity>,
    /// Severity of answers from 500.
    #[field(default = "info")]
    pub server_errors_severity: Option<Severity>,
    /// Time-out for sending, in ms. A datagram waits for nobody.
    #[field(default = 10_000)]
    pub timeout: Option<f64>,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
}

/// `loggly`, configured.
pub struct Loggly {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
    severities: Severities,
    /// What stands between time and entry: host, program, key and tags.
    head: String,
}

impl Plugin for Loggly {
    const NAME: &'static str = "loggly";
    const PRIORITY: i32 = 6;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let host = config.host.unwrap_or_else(|| "logs-01.loggly.com".to_owned());
        let port = config.port.unwrap_or(514);
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: format!("loggly {host} {port}"),
            limits: QueueLimits::once(100),
            pack: Pack::Each,
            destination: Destination::Udp { host, port },
        });
        let or_info = |severity: Option<Severity>| severity.unwrap_or(Severity::Info);
        let severities = Severities {
            level: or_info(config.log_level),
            successful: or_info(config.successful_severity),
            client_errors: or_info(config.client_errors_severity),
            server_errors: or_info(config.server_errors_severity),
        };
        let mut head = format!("{} kong - - [{}@{ENTERPRISE}", telemetry::hostname(), config.key);
        for tag in config.tags.iter().flatten() {
            // Writing to memory does not fail.
            let _ = write!(head, " tag=\"{tag}\"");
        }
        head.push(']');
        Ok(Self {
            outbox,
            fields: CustomFields::new(Self::NAME, config.custom_fields_by_lua, about, services)?,
            severities,
            head,
        })
    }

    fn log(&self, exchange: &Exchange) {
        let Some(severity) = self.severities.of(exchange.response.status) else { return };
        let time = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
        // Facility user.
        let mut message = format!("<{}>1 {time} {} ", 8 + severity.number(), self.head).into_bytes();
        let Some(entry) = self.fields.entry(exchange) else { return };
        message.extend_from_slice(&entry);
        self.outbox.push(message.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin};
    use serde_json::json;

    #[test]
    fn messages_are_those_of_syslog() {
        for (config, status, begin, tags) in [
            (json!({}), 200, "<14>1 ", " tag=\"kong\"] {"),
            (json!({ "tags": ["a", "b"], "server_errors_severity": "crit" }), 500, "<10>1 ", " tag=\"a\" tag=\"b\"] {"),
        ] {
            let shelf = Shelf::default();
            let serde_json::Value::Object(mut config) = config else { unreachable!() };
            config.insert("key".into(), "secret".into());
            let plugin = plugin::<Loggly>(config.into(), &shelf);
            let mut exchange = exchange("/a", &[]);
            exchange.response.status = status;
            Plugin::log(&plugin, &exchange);
            let message = &shelf.entries()[0];
            assert!(
                message.starts_with(begin) && message.contains(&format!(" kong - - [secret@41058{tags}")),
                "{message}"
            );
            let time = message.split(' ').nth(1).unwrap();
            assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        }
    }
}
