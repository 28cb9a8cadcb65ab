//! `custom_fields_by_lua`: members of an entry that are made by scripts.

use exchange::{About, Exchange, LogScripts, Plugin, PluginType, Scripts, Services, log_entry};
use indexmap::IndexMap;
use schema::Field;
use std::sync::Arc;

/// The option: dotted names of members, and the chunks that make their values.
pub type Chunks = IndexMap<String, String>;

/// The rules of the option. Whether a chunk can be run is asked of who runs it: see [`logger`].
pub fn field(field: Field) -> Field {
    field.keys(|key| key.len_min(1)).values(|value| value.len_min(1))
}

/// The type of a logger whose chunks these scripts check.
pub fn logger<P: Plugin>(scripts: &Arc<dyn Scripts>) -> PluginType {
    let mut logger = PluginType::of::<P>();
    let scripts = scripts.clone();
    let check = move |chunk: &str| scripts.check(chunk);
    let config = (*logger.schema.config).clone();
    let config = config.change("custom_fields_by_lua", |field| field.values(|value| value.validate(check)));
    logger.schema.config = Arc::new(config.sealed());
    logger
}

/// The custom fields of a logger.
#[derive(Default)]
pub struct CustomFields(Option<Arc<dyn LogScripts>>);

impl CustomFields {
    /// Those that an option of a plugin asks for.
    pub fn new(
        plugin: &'static str,
        chunks: Option<Chunks>,
        about: &About,
        services: &Services,
    ) -> Result<Self, String> {
        let Some(chunks) = chunks.filter(|chunks| !chunks.is_empty()) else { return Ok(Self::default()) };
        let scripts = services.scripts.log_values(plugin, about.id, chunks.into_iter().collect());
        Ok(Self(Some(scripts.map_err(|error| format!("custom_fields_by_lua: {error}"))?)))
    }

    /// The entry of a request, as compact JSON. None where a chunk failed: this logger then logs nothing, as in Kong,
    /// and the error log says why.
    pub fn entry(&self, exchange: &Exchange) -> Option<Vec<u8>> {
        if let Some(Err(error)) = self.0.as_ref().map(|scripts| scripts.run(exchange)) {
            tracing::error!("custom_fields_by_lua: {error}");
            return None;
        }
        Some(log_entry::text(exchange))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HttpLog, UdpLog};
    use crate::testing::{Shelf, exchange, plugin_with, services};
    use exchange::log_entry::Mode;
    use exchange::{Exchange, LogScripts, Plugin, Returning, Scripts, Services};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use uuid::Uuid;

    /// Every chunk gives its own text, but for "fail".
    struct Echo;

    struct Echoes(Vec<(String, String)>);

    impl Scripts for Echo {
        fn check(&self, _: &str) -> Result<(), String> {
            Ok(())
        }
        fn log_values(
            &self,
            _: &'static str,
            _: Uuid,
            all: Vec<(String, String)>,
        ) -> Result<Arc<dyn LogScripts>, String> {
            Ok(Arc::new(Echoes(all)))
        }
        fn run(&self, _: &str, _: Vec<Value>) -> Returning {
            Box::pin(std::future::ready(Ok(Value::Null)))
        }
    }

    impl LogScripts for Echoes {
        fn run(&self, exchange: &Exchange) -> Result<(), String> {
            for (name, chunk) in &self.0 {
                if chunk == "fail" {
                    return Err("failed".into());
                }
                exchange.log_values.set(name, Mode::Set, json!(chunk));
            }
            Ok(())
        }
    }

    #[test]
    fn fields_of_one_logger_are_seen_by_the_next() {
        let shelf = Shelf::default();
        let services = Services { scripts: Arc::new(Echo), ..services(&shelf) };
        let config = json!({ "http_endpoint": "http://a.test", "custom_fields_by_lua": { "team": "blue", "request.method": "M" } });
        let first: HttpLog = plugin_with(config, &services);
        let broken = json!({ "host": "h", "port": 1, "custom_fields_by_lua": { "kept": "x", "none": "fail" } });
        let broken: UdpLog = plugin_with(broken, &services);
        let last: UdpLog = plugin_with(json!({ "host": "h", "port": 1 }), &services);
        let exchange = exchange("/", &[]);
        first.log(&exchange);
        broken.log(&exchange);
        last.log(&exchange);
        let entries: Vec<Value> = shelf.entries().iter().map(|entry| serde_json::from_str(entry).unwrap()).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries[0]["team"], &entries[0]["request"]["method"]), (&json!("blue"), &json!("M")));
        assert_eq!((&entries[1]["team"], &entries[1]["kept"]), (&json!("blue"), &json!("x")));
    }
}
