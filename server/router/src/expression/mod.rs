//! The routing language: parsing and validation with the texts Kong's validator gives, evaluation, and the
//! translation of classic Route fields (`router.md` §2 and §7).
//!
//! ```
//! use router::Subsystem;
//! use router::expression::parse;
//!
//! assert!(parse(r#"http.path ^= "/a" && http.method == "GET""#, Subsystem::Http).is_ok());
//! assert_eq!(
//!     parse("http.path == 5", Subsystem::Http).unwrap_err(),
//!     "Type mismatch between the LHS and RHS values of predicate"
//! );
//! ```

mod evaluate;
mod field;
mod parser;
mod report;
mod translate;
mod tree;

pub use translate::from_route;
pub use tree::Expression;

pub(crate) use evaluate::{Trace, evaluate, lower};
pub(crate) use field::Field;
pub(crate) use translate::{header_field, masked, path_pattern, split_configured_host, wildcard, without_final_dot};
pub(crate) use tree::{Node, Operator, Predicate, Value};

use crate::route::Subsystem;

/// Parses and validates an expression for the fields of one subsystem.
///
/// The error is the text Kong appends to `Router Expression failed validation: `: for syntax a report that points
/// into the text, for semantics one sentence.
pub fn parse(text: &str, subsystem: Subsystem) -> Result<Expression, String> {
    let syntax = parser::parse(text)?;
    let root = field::resolve(syntax, subsystem)?;
    Ok(Expression { root })
}
