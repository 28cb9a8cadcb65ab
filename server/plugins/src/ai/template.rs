//! Texts of a model's configuration that take a part of the request: `$(headers.name)`, `$(query_params.name)` and
//! `$(uri_captures.name)`.

use super::config::Model;
use exchange::Exchange;
use exchange::form::pairs;
use serde_json::Value;
use std::borrow::Cow;

/// A model whose texts may be templates.
pub(super) struct Templates {
    model: Model,
    /// The same as JSON, where there are templates in it.
    value: Option<Value>,
}

impl Templates {
    pub fn new(model: Model) -> Self {
        let value = serde_json::to_value(&model).ok().filter(is_template);
        Self { model, value }
    }

    /// The model as it is configured.
    pub fn configured(&self) -> &Model {
        &self.model
    }

    /// The model for a request.
    ///
    /// # Errors
    /// Kong's sentence on what the request has not.
    pub fn fill(&self, exchange: &Exchange) -> Result<Model, String> {
        let Some(value) = &self.value else { return Ok(self.model.clone()) };
        let mut value = value.clone();
        fill(&mut value, exchange)?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }
}

fn is_template(value: &Value) -> bool {
    match value {
        Value::String(text) => place(text).is_some(),
        Value::Object(members) => members.values().any(is_template),
        _ => false,
    }
}

fn fill(value: &mut Value, exchange: &Exchange) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if let Some(filled) = filled(text, exchange)? {
                *text = filled;
            }
            Ok(())
        }
        Value::Object(members) => members.values_mut().try_for_each(|member| fill(member, exchange)),
        _ => Ok(()),
    }
}

/// Where the first template of a text stands: what is before it, in it and after it.
fn place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("$(")?;
    let (inside, after) = rest.split_once(')')?;
    Some((before, inside, after))
}

fn filled(text: &str, exchange: &Exchange) -> Result<Option<String>, String> {
    let Some((before, inside, after)) = place(text) else { return Ok(None) };
    let mut words = inside.split('.');
    let (Some(source), Some(key), None) = (words.next(), words.next(), words.next()) else {
        return Err(format!("cannot parse expression for field '{text}'"));
    };
    let value = match source {
        "headers" => exchange.request.headers.get(key).map(Cow::Borrowed),
        "query_params" => {
            let query = exchange.request.query.as_deref().unwrap_or_default();
            pairs(query).find(|(name, _)| **name == *key.as_bytes()).and_then(|(_, value)| value)
        }
        "uri_captures" => {
            let captures = exchange.captures.iter().flat_map(|captures| &captures.named);
            captures.into_iter().find(|(name, _)| name == key).map(|(_, value)| Cow::Borrowed(value.as_slice()))
        }
        _ => return Err(format!("source '{source}' is not supported")),
    };
    let value = value.ok_or_else(|| format!("{source} key {key} was not provided"))?;
    Ok(Some(format!("{before}{}{after}", String::from_utf8_lossy(&value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, request};
    use serde_json::json;

    #[test]
    fn texts_take_parts_of_the_request() {
        let mut exchange = request("POST", "/?m=q%2F1&bare", &[("X-Pick", "plum")], People::new(Manner::Knows));
        let named = vec![("m".to_owned(), b"pear".to_vec())];
        exchange.captures = Some(Box::new(exchange::Captures { numbered: Vec::new(), named }));
        for (name, expected) in [
            ("plain", Ok("plain")),
            ("a-$(headers.x-pick)-b", Ok("a-plum-b")),
            ("$(query_params.m)", Ok("q/1")),
            ("$(uri_captures.m)", Ok("pear")),
            ("$(uri_captures.m", Ok("$(uri_captures.m")),
            ("$(headers.x-gone)", Err("headers key x-gone was not provided")),
            ("$(query_params.bare)", Err("query_params key bare was not provided")),
            ("$(moon.x)", Err("source 'moon' is not supported")),
            ("$(headers)", Err("cannot parse expression for field '$(headers)'")),
            ("$(headers.a.b)", Err("cannot parse expression for field '$(headers.a.b)'")),
        ] {
            let model =
                json!({ "provider": "openai", "options": { "upstream_path": name, "gemini": { "project_id": name } } });
            let templates = Templates::new(serde_json::from_value(model).expect("a model"));
            let filled = templates.fill(&exchange);
            let path = filled.as_ref().map(|model| model.options().upstream_path.as_deref().unwrap_or_default());
            assert_eq!(path.map_err(String::as_str), expected, "{name}");
        }
    }
}
