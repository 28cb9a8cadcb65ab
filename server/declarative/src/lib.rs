//! Declarative configuration: from text to records, and back.
//!
//! [`parse`] reads JSON or YAML, [`load`] turns the values into records or says everything that is wrong ([`Invalid`]),
//! [`export`] writes a configuration that stands for what is stored, [`keep`] holds the last good one on disk.

pub mod export;
mod file;
mod invalid;
pub mod keep;
mod kinds;
mod load;
mod migrate;
mod scalar;
mod text;
pub mod yaml;

pub use file::{Source, SourceError};
pub use invalid::Invalid;
pub use kinds::{Child, Kind, Kinds};
pub use load::{Loaded, load, load_together};
pub use text::{EMPTY_HASH, hash, parse};
