//! Options of `response-transformer`.

use crate::pairs::two_header_names;
use schema::Schema;
use serde::Deserialize;

/// Options of `response-transformer`. Applied in the order remove, rename, replace, add, append.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Config {
    /// What is taken out.
    pub remove: Removed,
    /// What gets another name.
    pub rename: Renamed,
    /// What gets another value where it is there.
    pub replace: Pairs,
    /// What gets a value where it is not there.
    pub add: Pairs,
    /// What gets one value more.
    pub append: Pairs,
}

/// Names to take out.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Removed {
    /// Members of a JSON object.
    #[field(default([]))]
    pub json: Vec<String>,
    /// Headers.
    #[field(default([]))]
    pub headers: Vec<String>,
}

/// Pairs `old:new`.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Renamed {
    /// Members of a JSON object.
    #[field(default([]), elements(match = "^[^:]+:.*$"))]
    pub json: Vec<String>,
    /// Headers.
    #[field(default([]), elements(match = "^[^:]+:.*$", validate = two_header_names))]
    pub headers: Vec<String>,
}

/// Pairs `name:value`.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Pairs {
    /// Members of a JSON object.
    #[field(default([]), elements(match = "^[^:]+:.*$"))]
    pub json: Vec<String>,
    /// Types of the values of `json`, in their order; text where there is none.
    #[field(default([]))]
    pub json_types: Vec<JsonType>,
    /// Headers.
    #[field(default([]), elements(match = "^[^:]+:.*$"))]
    pub headers: Vec<String>,
}

/// What a value becomes in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum JsonType {
    /// `true` for the text `true`, else `false`.
    Boolean,
    /// A number; what is none is left out.
    Number,
    /// Text.
    String,
}
