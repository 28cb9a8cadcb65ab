//! The entry that logging plugins write of a request that is over: `kong.log.serialize()`.

mod entity;
mod latencies;
mod values;
mod write;

#[cfg(test)]
mod tests;

pub use latencies::Latencies;
pub use values::{LogValues, Mode, set};

use crate::Exchange;
use serde_json::{Map, Value};

/// The entry as compact JSON.
pub fn text(exchange: &Exchange) -> Vec<u8> {
    let entry = write::Entry { exchange, values: true };
    if !exchange.log_values.only_adds() {
        // They change what is inside the entry.
        return serde_json::to_vec(&value(exchange)).unwrap_or_default();
    }
    let mut out = Vec::with_capacity(3072);
    // Writing to memory does not fail, and every key is text.
    let _ = serde_json::to_writer(&mut out, &entry);
    out
}

/// The entry as a value, to be changed further.
pub fn value(exchange: &Exchange) -> Map<String, Value> {
    let entry = write::Entry { exchange, values: false };
    let mut map = match serde_json::to_value(&entry) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    exchange.log_values.apply(&mut map);
    map
}
