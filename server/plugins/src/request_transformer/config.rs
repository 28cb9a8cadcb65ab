//! Options of `request-transformer`.

use crate::pairs::{one_header_name, parted, two_header_names};
use crate::template::Template;
use schema::Schema;
use serde::Deserialize;

/// Options of `request-transformer`. Applied in the order remove, rename, replace, add, append; values may have
/// templates `$(…)` in them.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Config {
    /// The method to send.
    #[field(match = "^%u+$")]
    pub http_method: Option<String>,
    /// What is taken out.
    pub remove: Removed,
    /// What gets another name.
    pub rename: Renamed,
    /// What gets another value where it is there.
    pub replace: Replaced,
    /// What gets a value where it is not there.
    pub add: Pairs,
    /// What gets one value more.
    pub append: Pairs,
}

/// Names to take out.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Removed {
    /// Fields of a form or members of a JSON object.
    #[field(default([]))]
    pub body: Vec<String>,
    /// Headers.
    #[field(default([]), elements(validate = one_header_name))]
    pub headers: Vec<String>,
    /// Arguments of the query.
    #[field(default([]))]
    pub querystring: Vec<String>,
}

/// Pairs `old:new`.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Renamed {
    /// Fields of a form or members of a JSON object.
    #[field(default([]), elements(validate = value))]
    pub body: Vec<String>,
    /// Headers.
    #[field(default([]), elements(match = "^[^:]+:.*$", validate = two_header_names))]
    pub headers: Vec<String>,
    /// Arguments of the query.
    #[field(default([]), elements(validate = value))]
    pub querystring: Vec<String>,
}

/// Pairs `name:value`, and a path.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Replaced {
    /// Fields of a form or members of a JSON object.
    #[field(default([]), elements(validate = value))]
    pub body: Vec<String>,
    /// Headers.
    #[field(default([]), elements(match = "^[^:]+:.*$", validate = one_header_name))]
    pub headers: Vec<String>,
    /// Arguments of the query.
    #[field(default([]), elements(validate = value))]
    pub querystring: Vec<String>,
    /// The path to send.
    pub uri: Option<String>,
}

/// Pairs `name:value`.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Pairs {
    /// Fields of a form or members of a JSON object.
    #[field(default([]), elements(validate = value))]
    pub body: Vec<String>,
    /// Headers.
    #[field(default([]), elements(match = "^[^:]+:.*$", validate = one_header_name))]
    pub headers: Vec<String>,
    /// Arguments of the query.
    #[field(default([]), elements(validate = value))]
    pub querystring: Vec<String>,
}

/// There must be a value, and its templates must be such.
fn value(pair: &str) -> Result<(), String> {
    let (name, value) = parted(pair);
    let value = value.ok_or_else(|| format!("key '{name}' has no value"))?;
    match Template::compile(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("value '{value}' is not in supported format, error:{error}")),
    }
}
