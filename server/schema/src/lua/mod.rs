//! The pieces of Lua that show at the Admin API: patterns in rules, tables and numbers in messages.

mod pattern;
mod print;

pub use pattern::{Found, find, is_match};
pub use print::{number, table, table_inline, to_string};
