//! Parameters of path, query and headers: found, read by their style, checked.

use super::config::{Parameter, decoded};
use super::serialized::{Shape, Style, read};
use super::told;
use crate::form;
use exchange::Exchange;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Query,
    Header,
    Path,
}

/// A parameter with what it must be.
pub(super) struct Checked {
    place: Place,
    /// `query`, `header`, `path`
    place_name: String,
    name: String,
    required: bool,
    schema: Option<(Style, Shape, Box<jsonschema::Validator>)>,
}

/// What is wrong.
pub(super) struct Fault {
    pub(super) text: String,
    /// The value, where there is one.
    pub(super) data: Option<Value>,
}

impl Checked {
    /// The sentence says which schema is none.
    pub(super) fn new(parameter: Parameter) -> Result<Self, String> {
        let schema = match &parameter.schema {
            None => None,
            Some(text) => {
                let schema = decoded(text)?;
                let validator = super::draft4(&schema)?;
                let style = Style::new(parameter.style.as_deref().unwrap_or_default(), parameter.explode == Some(true));
                let shape = Shape::of(&schema)
                    .ok_or_else(|| format!("the schema of parameter '{}' needs a 'type'", parameter.name))?;
                Some((style, shape, Box::new(validator)))
            }
        };
        Ok(Self {
            place: match parameter.place.as_str() {
                "query" => Place::Query,
                "path" => Place::Path,
                _ => Place::Header,
            },
            place_name: parameter.place,
            name: parameter.name,
            required: parameter.required,
            schema,
        })
    }

    /// What is wrong with the request's.
    pub(super) fn fault(&self, exchange: &Exchange) -> Option<Fault> {
        let found = self.found(exchange);
        let failed = |error: &str, data| {
            let text = format!("{} '{}' validation failed, [error] {error}", self.place_name, self.name);
            Some(Fault { text, data })
        };
        let Some((style, shape, validator)) = &self.schema else {
            let there = found.iter().any(|(name, _)| *name == self.name);
            return if self.required && !there { failed("required parameter missing", None) } else { None };
        };
        match read(&self.name, &found, style, shape) {
            None if self.required => failed("required parameter missing", None),
            None => None,
            Some(value) => match validator.validate(&value).err().map(|error| told(&error)) {
                Some(error) => failed(&error, Some(value)),
                None => None,
            },
        }
    }

    /// Pairs of name and value among which the parameter may be.
    fn found<'e>(&self, exchange: &'e Exchange) -> Vec<(String, Cow<'e, str>)> {
        let request = &exchange.request;
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.place {
            Place::Query => form::pairs(request.query.as_deref().unwrap_or_default())
                .map(|(name, value)| (lossy(&name), Cow::Owned(lossy(&value.unwrap_or_default()))))
                .collect(),
            Place::Header => {
                let joined = request.headers.joined(&self.name);
                joined.into_iter().map(|value| (self.name.clone(), Cow::Owned(lossy(&value)))).collect()
            }
            Place::Path => {
                let groups = exchange.captures.iter().flat_map(|captures| &captures.named);
                let own = groups.filter(|(name, _)| *name == self.name);
                own.map(|(name, value)| (name.clone(), Cow::Owned(lossy(&percent_decoded(value))))).collect()
            }
        }
    }
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(value).collect()
}
