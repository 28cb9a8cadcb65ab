//! `file-log`: a line of JSON at the end of a file.

use super::custom_fields::{self, Chunks, CustomFields};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment};
use schema::Schema;
use serde::Deserialize;
use std::sync::Arc;

/// Options of `file-log`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// The file. It is made where it is missing; its folder has to be there.
    #[field(match = "^[^*&%%\\`]+$", err = "not a valid filename")]
    pub path: String,
    /// Whether the file is closed and opened anew for what is written, so that rotation needs no signal.
    #[field(default = false)]
    pub reopen: bool,
    /// Members of the entry that Lua chunks make.
    #[field(is = custom_fields::field)]
    pub custom_fields_by_lua: Option<Chunks>,
}

/// `file-log`, configured.
pub struct FileLog {
    outbox: Arc<dyn Outbox>,
    fields: CustomFields,
}

impl Plugin for FileLog {
    const NAME: &'static str = "file-log";
    const PRIORITY: i32 = 9;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: format!("file-log {} {}", config.reopen, config.path),
            // What waits is written together.
            limits: QueueLimits::once(1000),
            pack: Pack::Joined,
            destination: Destination::File { path: config.path.into(), reopen: config.reopen },
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
    use serde_json::{Value, json};

    #[test]
    fn every_request_is_one_line_whatever_its_size() {
        let shelf = Shelf::default();
        let plugin = plugin::<FileLog>(json!({ "path": "/tmp/a.log", "reopen": true }), &shelf);
        let long = "x".repeat(100_000);
        for target in ["/a", &format!("/b?{long}"), "/c\n"] {
            Plugin::log(&plugin, &exchange(target, &[]));
        }
        let lines = shelf.entries();
        assert!(lines.iter().all(|line| line.ends_with('\n') && line.matches('\n').count() == 1));
        let uris = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["request"]["uri"].clone());
        assert_eq!(uris.collect::<Vec<_>>(), [json!("/a"), json!(format!("/b?{long}")), json!("/c\n")]);
        let expected = Destination::File { path: "/tmp/a.log".into(), reopen: true };
        assert!(shelf.shipments()[0].destination == expected);
    }
}
