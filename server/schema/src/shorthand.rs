//! Alias fields: accepted on writes, turned into other fields before anything else happens.

use crate::{Deprecation, Field, lua, path};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

type Expand = dyn Fn(&Value, &Map<String, Value>) -> Result<Map<String, Value>, String> + Send + Sync;

/// An alias field.
#[derive(Clone)]
pub struct Shorthand {
    pub(crate) field: Field,
    expand: Option<Arc<Expand>>,
}

impl fmt::Debug for Shorthand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shorthand").field("name", &self.field.name()).finish()
    }
}

impl Shorthand {
    /// An old name of the value at the dotted path `target`: given alone it stands for it, given with a different
    /// new-style value it is an error, and it is returned on reads.
    pub fn renamed(field: Field, target: &str, message: impl Into<String>) -> Self {
        let deprecation = Deprecation {
            message: message.into(),
            removal_in_version: "4.0".to_owned(),
            old_default: None,
            replaced_with: vec![target.to_owned()],
        };
        Self { field: field.deprecation(deprecation), expand: None }
    }

    /// A field that a function turns into other fields. With a deprecation that names a replacement, new-style
    /// values win and the alias is returned on reads; without, the function's fields replace given ones.
    pub fn computed(
        field: Field,
        expand: impl Fn(&Value, &Map<String, Value>) -> Result<Map<String, Value>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { field, expand: Some(Arc::new(expand)) }
    }

    /// The alias's name.
    pub fn name(&self) -> &str {
        self.field.name()
    }

    /// Its definition.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The path whose value it shows on reads.
    pub fn shows(&self) -> Option<&str> {
        self.field.deprecated()?.replaced_with.first().map(String::as_str)
    }

    /// Turns the given alias value (already validated and taken out of `data`) into fields of `data`.
    pub(crate) fn apply(&self, value: &Value, data: &mut Map<String, Value>) -> Result<(), String> {
        let replaced: &[String] = self.field.deprecated().map_or(&[], |d| d.replaced_with.as_slice());
        if !value.is_null() {
            for target in replaced {
                if let Some(new) = path::get(data, target)
                    && !new.is_null()
                    && !crate::rules::same(new, value)
                {
                    return Err(format!(
                        "both deprecated and new field are used but their values mismatch: {} = {} vs {target} = {}",
                        self.name(),
                        lua::to_string(value),
                        lua::to_string(new)
                    ));
                }
            }
        }
        let fields = match &self.expand {
            Some(expand) => expand(value, data)?,
            None => {
                let mut fields = Map::new();
                for target in replaced {
                    path::set(&mut fields, target, value.clone());
                }
                fields
            }
        };
        merge(data, fields, !replaced.is_empty());
        Ok(())
    }
}

/// Lays `fields` into `data`; with `given_wins` what is there already stays.
fn merge(data: &mut Map<String, Value>, fields: Map<String, Value>, given_wins: bool) {
    for (name, value) in fields {
        match (data.get_mut(&name), value) {
            (Some(Value::Object(own)), Value::Object(inner)) => merge(own, inner, given_wins),
            (Some(own), value) => {
                if !given_wins || (own.is_null() && value.is_object()) {
                    *own = value;
                }
            }
            (None, value) => {
                data.insert(name, value);
            }
        }
    }
}
