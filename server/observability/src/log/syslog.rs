//! `syslog`: entries for the syslog of this host.

use super::custom_fields::{self, Chunks, CustomFields};
use super::severity::{Severities, Severity};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment};
use schema::Schema;
use serde::Deserialize;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// Where the syslog of a host listens.
const SOCKET: &str = "/dev/log";

/// RFC 3164 §4.1.2.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");

/// Options of `syslog`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Entries of a lower severity are not sent.
    #[field(default = "info")]
    pub log_level: Severity,
    /// Severity of requests that went well.
    #[field(default = "info")]
    pub successful_severity: Severity,
    /// Severity of answers from 400.
    #[field(default = "info")]
    pub client_errors_severity: Severity,
    /// Severity of answers from 500.
    #[field(default = "info")]
    pub server_errors_severity: Severity,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
    /// Facility of the entries.
    #[field(default = "user")]
    pub facility: Facility,
}

/// Facilities, RFC 3164 §4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Facility {
    Auth,
    Authpriv,
    Cron,
    Daemon,
    Ftp,
    Kern,
    Lpr,
    Mail,
    News,
    Syslog,
    User,
    Uucp,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

impl Facility {
    /// Its number.
    fn number(self) -> u8 {
        match self {
            Self::Kern => 0,
            Self::User => 1,
            Self::Mail => 2,
            Self::Daemon => 3,
            Self::Auth => 4,
            Self::Syslog => 5,
            Self::Lpr => 6,
            Self::News => 7,
            Self::Uucp => 8,
            Self::Cron => 9,
            Self::Authpriv => 10,
            Self::Ftp => 11,
            local => 16 + (local as u8 - Self::Local0 as u8),
        }
    }
}

/// `syslog`, configured.
pub struct Syslog {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
    severities: Severities,
    facility: Facility,
}

impl Plugin for Syslog {
    const NAME: &'static str = "syslog";
    const PRIORITY: i32 = 4;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: "syslog".to_owned(),
            limits: QueueLimits::once(100),
            pack: Pack::Each,
            destination: Destination::Local { path: SOCKET.into() },
        });
        let severities = Severities {
            level: config.log_level,
            successful: config.successful_severity,
            client_errors: config.client_errors_severity,
            server_errors: config.server_errors_severity,
        };
        let fields = CustomFields::new(Self::NAME, config.custom_fields_by_lua, about, services)?;
        Ok(Self { outbox, fields, severities, facility: config.facility })
    }

    fn log(&self, exchange: &Exchange) {
        let Some(severity) = self.severities.of(exchange.response.status) else { return };
        let priority = self.facility.number() * 8 + severity.number();
        let time = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
        let mut message = format!("<{priority}>{time} kong: ").into_bytes();
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
    fn entries_carry_facility_and_severity() {
        for (config, status, begin) in [
            (json!({}), 200, Some("<14>")),
            (json!({ "facility": "kern", "server_errors_severity": "crit" }), 500, Some("<2>")),
            (json!({ "facility": "local7", "client_errors_severity": "warning" }), 404, Some("<188>")),
            (json!({ "log_level": "err" }), 404, None),
        ] {
            let shelf = Shelf::default();
            let plugin = plugin::<Syslog>(config, &shelf);
            let mut exchange = exchange("/a", &[]);
            exchange.response.status = status;
            Plugin::log(&plugin, &exchange);
            let entries = shelf.entries();
            assert_eq!(entries.first().map(|entry| &entry[..entry.find('>').unwrap() + 1]), begin);
            assert!(entries.iter().all(|entry| entry.contains(" kong: {")));
        }
    }
}
