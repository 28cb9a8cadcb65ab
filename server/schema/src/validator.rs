//! Functions as rules.

use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

type Check = dyn Fn(&Value) -> Result<(), String> + Send + Sync;

/// A validator with its own error text.
#[derive(Clone)]
pub struct Validator(Arc<Check>);

impl Validator {
    /// Runs it.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        (self.0)(value)
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validator")
    }
}

/// What may be given as a validator: a function of `&str`, of `&Map` (records, maps) or of any `&Value`, to
/// `Result<(), String>`. A value of another type passes: the type check has its own error.
pub trait IntoValidator<Argument: ?Sized> {
    /// Wraps the function.
    fn into_validator(self) -> Validator;
}

impl<F: Fn(&str) -> Result<(), String> + Send + Sync + 'static> IntoValidator<str> for F {
    fn into_validator(self) -> Validator {
        Validator(Arc::new(move |value| value.as_str().map_or(Ok(()), &self)))
    }
}

impl<F: Fn(&Map<String, Value>) -> Result<(), String> + Send + Sync + 'static> IntoValidator<Map<String, Value>> for F {
    fn into_validator(self) -> Validator {
        Validator(Arc::new(move |value| value.as_object().map_or(Ok(()), &self)))
    }
}

impl<F: Fn(&Value) -> Result<(), String> + Send + Sync + 'static> IntoValidator<Value> for F {
    fn into_validator(self) -> Validator {
        Validator(Arc::new(self))
    }
}

/// Whether a text is a reference into a vault: `{vault://env/name}`.
pub fn is_vault_reference(text: &str) -> bool {
    text.len() > 11 && text.starts_with("{vault://") && text.ends_with('}')
}
