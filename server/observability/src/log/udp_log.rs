//! `udp-log`: JSON in a datagram.

use super::custom_fields::{self, Chunks, CustomFields};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment};
use schema::Schema;
use serde::Deserialize;
use std::sync::Arc;

/// Options of `udp-log`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Name or address of the server.
    #[field(is = host)]
    pub host: String,
    /// Its port.
    #[field(is = port)]
    pub port: u16,
    /// Time-out for sending, in ms. A datagram waits for nobody.
    #[field(default = 10_000)]
    pub timeout: Option<f64>,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
}

/// `udp-log`, configured.
pub struct UdpLog {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
}

impl Plugin for UdpLog {
    const NAME: &'static str = "udp-log";
    const PRIORITY: i32 = 8;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: format!("udp-log {} {}", config.host, config.port),
            limits: QueueLimits::once(100),
            pack: Pack::Each,
            destination: Destination::Udp { host: config.host, port: config.port },
        });
        Ok(Self { outbox, fields: CustomFields::new(Self::NAME, config.custom_fields_by_lua, about, services)? })
    }

    fn log(&self, exchange: &Exchange) {
        if let Some(entry) = self.fields.entry(exchange) {
            self.outbox.push(entry.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin};
    use serde_json::json;

    #[test]
    fn a_datagram_has_no_line_feed() {
        let shelf = Shelf::default();
        let plugin = plugin::<UdpLog>(json!({ "host": "127.0.0.1", "port": 9 }), &shelf);
        Plugin::log(&plugin, &exchange("/a", &[]));
        assert!(shelf.entries()[0].ends_with('}'));
        assert!(shelf.shipments()[0].destination == Destination::Udp { host: "127.0.0.1".into(), port: 9 });
    }
}
