//! The field-definition language.
//!
//! A [`Record`] is a tree of [`Field`]s with their types, defaults, rules and cross-field [`Check`]s. One definition
//! gives validation with the exact messages Kong's users match on, completion with defaults, and the JSON of
//! `GET /schemas/…` ([`Record::describe`]). `#[derive(Schema)]` writes the record from a struct:
//!
//! ```
//! use schema::Schema;
//!
//! /// Limits a request's size.
//! #[derive(Schema, serde::Deserialize)]
//! struct Config {
//!     /// Allowed size of a request's body, in `size_unit`.
//!     #[field(default = 128)]
//!     allowed_payload_size: i64,
//!     #[field(default = "megabytes", one_of("megabytes", "kilobytes", "bytes"))]
//!     size_unit: String,
//!     #[field(default = false)]
//!     require_content_length: bool,
//! }
//! # assert_eq!(Config::record().fields().len(), 3);
//! ```
//!
//! Attribute syntax: every word inside `#[field(…)]` is a builder method of [`Field`] (`gt = 0`, `between(0, 65535)`,
//! `unique`, `elements(one_of("a", "b"))`, `is = host` for one of [`typedefs`]). A plain type is required, an
//! `Option` is not. Doc comments become the field's description. `#[schema(check = …, shorthand = …, validate = …)]`
//! on the struct adds entity checks, alias fields and a validator of the whole record.

extern crate self as schema;

pub mod address;
mod check;
mod complete;
mod describe;
mod errors;
mod field;
pub mod lua;
pub mod path;
mod record;
mod references;
mod rules;
mod shorthand;
pub mod typedefs;
mod types;
mod validate;
mod validator;

pub use check::{Check, Conditional, ConditionalAtLeastOneOf, CustomCheck};
pub use complete::Context;
pub use errors::Errors;
pub use field::{Auto, Deprecation, Field, Kind, OnDelete};
pub use record::{Record, Schema};
pub use rules::{ErrPattern, MatchAny, Rules};
pub use schema_derive::Schema;
pub use serde_json::{Map, Value, json};
pub use shorthand::Shorthand;
pub use types::{FieldType, Foreign, Named, Set};
pub use validator::{IntoValidator, Validator, is_vault_reference};

/// The version of Kong whose behaviour and names are offered; part of `Server` and `Via` (`kong/3.9.1`).
pub const KONG_VERSION: &str = "3.9.1";
