//! Options of `request-validator`.

use super::fields::Fields;
use super::parameters::Checked;
use schema::{Map, Schema, Set, Value};
use serde::Deserialize;

/// Options of `request-validator`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = schemas)]
pub struct Config {
    /// What JSON bodies must be: a list of fields as Kong's own schemas have them, or a JSON Schema.
    pub body_schema: Option<String>,
    /// Media types a body may have, with their parameters.
    #[field(default(["application/json"]))]
    pub allowed_content_types: Option<Set<String>>,
    /// What `body_schema` is: `kong`, or a JSON Schema of draft 4.
    #[field(default = "kong", one_of("kong", "draft4"))]
    pub version: String,
    /// What parameters must be.
    pub parameter_schema: Option<Vec<Parameter>>,
    /// Whether clients are told what is wrong.
    #[field(default = false)]
    pub verbose_response: bool,
    /// Whether parameters of media types count.
    #[field(default = true)]
    pub content_type_parameter_validation: Option<bool>,
}

/// A parameter, as OpenAPI describes it.
#[derive(Clone, Debug, Deserialize, Schema)]
#[schema(check = schema::Check::mutually_required(["style", "explode", "schema"]))]
pub struct Parameter {
    /// Where it is.
    #[serde(rename = "in")]
    #[field(one_of("query", "header", "path"))]
    pub place: String,
    /// Its name; for a path that of a capture.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// How lists and objects are written.
    #[field(one_of("label", "form", "matrix", "simple", "spaceDelimited", "pipeDelimited", "deepObject"))]
    pub style: Option<String>,
    /// Whether elements are written one by one.
    pub explode: Option<bool>,
    /// A JSON Schema (draft 4) with a `type`.
    pub schema: Option<String>,
}

/// A schema as JSON.
pub(super) fn decoded(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("failed decoding schema: {error}"))
}

/// Whether all schemas are such.
fn schemas(config: &Map<String, Value>) -> Result<(), String> {
    if let Some(text) = config.get("body_schema").and_then(Value::as_str) {
        let schema = decoded(text)?;
        match config.get("version").and_then(Value::as_str) {
            Some("draft4") => drop(super::draft4(&schema)?),
            _ => drop(Fields::new(&schema)?),
        }
    }
    for parameter in config.get("parameter_schema").and_then(Value::as_array).into_iter().flatten() {
        if let Ok(parameter) = Parameter::deserialize(parameter) {
            Checked::new(parameter)?;
        }
    }
    Ok(())
}
