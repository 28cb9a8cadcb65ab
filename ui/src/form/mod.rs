//! The form engine: from a description of the Admin API (`GET /schemas/…`) to fields, from what is typed to a value,
//! from two values to what has to be sent, from the server's answer to the fields it speaks of. No browser in here.

mod changes;
mod check;
mod clash;
mod draft;
mod errors;
mod field;
mod path;
mod plugin;
mod rows;
mod words;

#[cfg(test)]
mod suite;

pub use check::problems;
pub use clash::clashes;
pub use draft::Draft;
pub use errors::{Errors, place};
pub use field::{Field, Kind, Token, fields, find};
pub use path::{Path, Step};
pub use plugin::plugin_fields;
pub use rows::{Row, rows};
pub use words::{distance, label, plain, way, when};
