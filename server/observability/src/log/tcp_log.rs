//! `tcp-log`: a line of JSON into a TCP connection.

use super::custom_fields::{self, Chunks, CustomFields};
use crate::queue::millis;
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment};
use schema::Schema;
use serde::Deserialize;
use std::sync::Arc;

/// Options of `tcp-log`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Name or address of the server.
    #[field(is = host)]
    pub host: String,
    /// Its port.
    #[field(is = port)]
    pub port: u16,
    /// Time-out for connecting and sending, in ms.
    #[field(default = 10_000)]
    pub timeout: Option<f64>,
    /// How long an idle connection is kept, in ms.
    #[field(default = 60_000)]
    pub keepalive: Option<f64>,
    /// Whether to use TLS. The server's certificate is not verified.
    #[field(default = false)]
    pub tls: bool,
    /// The name to ask for with TLS; the host where there is none.
    pub tls_sni: Option<String>,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
}

/// `tcp-log`, configured.
pub struct TcpLog {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
}

impl Plugin for TcpLog {
    const NAME: &'static str = "tcp-log";
    const PRIORITY: i32 = 7;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let (timeout, keepalive) = (millis(config.timeout, 10_000.0), millis(config.keepalive, 60_000.0));
        let tls = config.tls.then_some(config.tls_sni);
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: format!("tcp-log {} {} {timeout:?} {keepalive:?} {tls:?}", config.host, config.port),
            // What waits is sent together.
            limits: QueueLimits::once(1000),
            pack: Pack::Each,
            destination: Destination::Tcp { host: config.host, port: config.port, timeout, keepalive, tls },
        });
        Ok(Self { outbox, fields: CustomFields::new(Self::NAME, config.custom_fields_by_lua, about, services)? })
    }

    fn log(&self, exchange: &Exchange) {
        let Some(mut line) = self.fields.entry(exchange) else { return };
        line.push(b'\n');
        self.outbox.push(line.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn lines_go_to_the_server_as_configured() {
        let shelf = Shelf::default();
        let config = json!({ "host": "logs.test", "port": 9000, "timeout": 500, "tls": true, "tls_sni": "n.test" });
        let plugin = plugin::<TcpLog>(config, &shelf);
        Plugin::log(&plugin, &exchange("/a", &[]));
        assert!(shelf.entries()[0].ends_with("}\n"));
        let expected = Destination::Tcp {
            host: "logs.test".into(),
            port: 9000,
            timeout: Duration::from_millis(500),
            keepalive: Duration::from_secs(60),
            tls: Some(Some("n.test".into())),
        };
        assert!(shelf.shipments()[0].destination == expected);
    }
}
