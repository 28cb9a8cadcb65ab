//! Paths: what a request's path is before matching, and what the upstream gets.

mod join;
mod normal;

pub use join::{escape, upstream_path};
pub use normal::{PathError, check, first_malformed_escape, normalize};

pub(crate) use normal::hex_digit;
