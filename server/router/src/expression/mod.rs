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

use crate::pattern::Pattern;
use crate::route::Subsystem;

/// Parses and validates an expression for the fields of one subsystem.
///
/// The error is the text Kong appends to `Router Expression failed validation: `: for syntax a report that points
/// into the text, for semantics one sentence.
pub fn parse(text: &str, subsystem: Subsystem) -> Result<Expression, String> {
    let root = field::resolve(parser::parse(text, Pattern::new)?, subsystem)?;
    Ok(Expression { root })
}

/// As [`parse`], for expressions that were validated before: regexes are compiled when they are first needed.
pub(crate) fn parse_deferred(text: &str, subsystem: Subsystem) -> Result<Node, String> {
    field::resolve(parser::parse(text, Pattern::deferred)?, subsystem)
}
