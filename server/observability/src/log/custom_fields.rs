//! `custom_fields_by_lua`: members of an entry that are made by a script.
//!
//! Nothing here runs scripts yet: a configuration with such fields is refused where it is submitted. Whoever runs
//! them does so in [`check`] and in [`CustomFields::entry`], and nowhere else.

use exchange::{Exchange, log_entry};
use indexmap::IndexMap;
use schema::Field;

/// The option: names of members, and the Lua chunks that make their values.
pub type Scripts = IndexMap<String, String>;

/// The rules of the option.
pub fn field(field: Field) -> Field {
    field.keys(|key| key.len_min(1)).values(|value| value.len_min(1).validate(check))
}

/// Whether a chunk can be run.
fn check(_chunk: &str) -> Result<(), String> {
    Err("Error parsing function: Lua is not available on this node".to_owned())
}

/// The custom fields of a logger.
#[derive(Debug, Default)]
pub struct CustomFields;

impl CustomFields {
    /// Those that an option asks for.
    pub fn new(scripts: Option<&Scripts>) -> Result<Self, String> {
        match scripts {
            Some(scripts) if !scripts.is_empty() => {
                Err("custom_fields_by_lua: Lua is not available on this node".into())
            }
            _ => Ok(Self),
        }
    }

    /// The entry of a request, as compact JSON.
    pub fn entry(&self, exchange: &Exchange) -> Vec<u8> {
        log_entry::text(exchange)
    }
}
