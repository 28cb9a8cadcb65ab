//! Checks that span several fields of a record.

use crate::{Context, Field, Record, is_vault_reference, lua, path, validate::validate_value};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

type Custom = dyn Fn(&Map<String, Value>) -> Result<(), String> + Send + Sync;

/// One check. Fields are named by dotted path from the record that holds the check.
#[derive(Debug, Clone)]
pub enum Check {
    /// One or more of them is not empty.
    AtLeastOneOf(Vec<String>),
    /// Exactly one of them is not empty.
    OnlyOneOf(Vec<String>),
    /// No two are equal.
    Distinct(Vec<String>),
    /// All or none.
    MutuallyRequired(Vec<String>),
    /// One or none.
    MutuallyExclusive(Vec<String>),
    /// When one field matches, another must.
    Conditional(Box<Conditional>),
    /// When one field matches, some must be given.
    ConditionalAtLeastOneOf(Box<ConditionalAtLeastOneOf>),
    /// A function.
    Custom(CustomCheck),
}

/// When `if_field` passes `if_match`, `then_field` must pass `then_match`. Both inherit what the fields say.
#[derive(Debug, Clone)]
pub struct Conditional {
    pub(crate) if_field: String,
    pub(crate) if_match: Field,
    pub(crate) then_field: String,
    pub(crate) then_match: Field,
    pub(crate) then_err: Option<String>,
    sealed: Option<(Field, Field)>,
}

/// When `if_field` passes `if_match`, one of `then_at_least_one_of` must be given; otherwise, when it passes
/// `else_match`, one of `else_then_at_least_one_of`. `%s` in a text stands for the quoted list.
#[derive(Debug, Clone)]
pub struct ConditionalAtLeastOneOf {
    pub(crate) if_field: String,
    pub(crate) if_match: Field,
    pub(crate) then_at_least_one_of: Vec<String>,
    pub(crate) then_err: Option<String>,
    pub(crate) otherwise: Option<Otherwise>,
    sealed: Option<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Otherwise {
    pub(crate) else_match: Field,
    pub(crate) at_least_one_of: Vec<String>,
    pub(crate) err: Option<String>,
    sealed: Option<Field>,
}

/// A function over the record.
#[derive(Clone)]
pub struct CustomCheck {
    pub(crate) fields: Vec<String>,
    check: Arc<Custom>,
    pub(crate) with_missing: bool,
    pub(crate) with_invalid: bool,
}

impl fmt::Debug for CustomCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomCheck").field("fields", &self.fields).finish()
    }
}

fn owned<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

impl Check {
    /// See [`Check::AtLeastOneOf`].
    pub fn at_least_one_of<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::AtLeastOneOf(owned(fields))
    }

    /// See [`Check::OnlyOneOf`].
    pub fn only_one_of<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::OnlyOneOf(owned(fields))
    }

    /// See [`Check::Distinct`].
    pub fn distinct<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::Distinct(owned(fields))
    }

    /// See [`Check::MutuallyRequired`].
    pub fn mutually_required<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::MutuallyRequired(owned(fields))
    }

    /// See [`Check::MutuallyExclusive`].
    pub fn mutually_exclusive<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self::MutuallyExclusive(owned(fields))
    }

    /// `Check::conditional("policy", |f| f.eq("redis"), "redis.host", |f| f.required(true))`.
    pub fn conditional(
        if_field: impl Into<String>,
        if_match: impl FnOnce(Field) -> Field,
        then_field: impl Into<String>,
        then_match: impl FnOnce(Field) -> Field,
    ) -> Self {
        Self::Conditional(Box::new(Conditional {
            if_field: if_field.into(),
            if_match: if_match(Field::any()),
            then_field: then_field.into(),
            then_match: then_match(Field::any()),
            then_err: None,
            sealed: None,
        }))
    }

    /// When a field matches, one of some others must be given.
    pub fn conditional_at_least_one_of<S: Into<String>>(
        if_field: impl Into<String>,
        if_match: impl FnOnce(Field) -> Field,
        then_at_least_one_of: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::ConditionalAtLeastOneOf(Box::new(ConditionalAtLeastOneOf {
            if_field: if_field.into(),
            if_match: if_match(Field::any()),
            then_at_least_one_of: owned(then_at_least_one_of),
            then_err: None,
            otherwise: None,
            sealed: None,
        }))
    }

    /// The text of a conditional check; `%s` stands for the quoted list of fields.
    pub fn then_err(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::Conditional(check) => check.then_err = Some(text.into()),
            Self::ConditionalAtLeastOneOf(check) => check.then_err = Some(text.into()),
            _ => {}
        }
        self
    }

    /// The other branch of [`Check::conditional_at_least_one_of`].
    pub fn otherwise<S: Into<String>>(
        mut self,
        else_match: impl FnOnce(Field) -> Field,
        fields: impl IntoIterator<Item = S>,
        err: impl Into<String>,
    ) -> Self {
        if let Self::ConditionalAtLeastOneOf(check) = &mut self {
            check.otherwise = Some(Otherwise {
                else_match: else_match(Field::any()),
                at_least_one_of: owned(fields),
                err: Some(err.into()),
                sealed: None,
            });
        }
        self
    }

    /// A function over the record, run when one of `fields` is given and none of them failed.
    pub fn custom<S: Into<String>>(
        fields: impl IntoIterator<Item = S>,
        check: impl Fn(&Map<String, Value>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(CustomCheck {
            fields: owned(fields),
            check: Arc::new(check),
            with_missing: false,
            with_invalid: false,
        })
    }

    /// Lets a custom check run although none of its fields is given.
    pub fn run_with_missing_fields(mut self) -> Self {
        if let Self::Custom(check) = &mut self {
            check.with_missing = true;
        }
        self
    }

    /// Lets a custom check run although one of its fields failed.
    pub fn run_with_invalid_fields(mut self) -> Self {
        if let Self::Custom(check) = &mut self {
            check.with_invalid = true;
        }
        self
    }

    pub(crate) fn seal(&mut self, record: &Record) {
        let lay = |path: &str, over: &Field| record.at(path).unwrap_or(&Field::any()).overlaid(over);
        match self {
            Self::Conditional(c) => {
                c.sealed = Some((lay(&c.if_field, &c.if_match), lay(&c.then_field, &c.then_match)));
            }
            Self::ConditionalAtLeastOneOf(c) => {
                c.sealed = Some(lay(&c.if_field, &c.if_match));
                if let Some(other) = &mut c.otherwise {
                    other.sealed = Some(lay(&c.if_field, &other.else_match));
                }
            }
            _ => {}
        }
    }

    /// Runs the check; a failure goes into `errors`, and the texts for `@entity` into `texts`.
    pub(crate) fn run(
        &self,
        record: &Record,
        data: &Map<String, Value>,
        errors: &mut Map<String, Value>,
        texts: &mut Vec<Value>,
        cx: &Context,
    ) {
        let outcome = match self {
            Self::AtLeastOneOf(fields) => {
                if fields.iter().any(|field| is_given(path::get(data, field))) {
                    Ok(())
                } else {
                    Err(at_least_one(fields, cx))
                }
            }
            Self::OnlyOneOf(fields) => {
                if missing_required(record, data, errors, fields, cx) {
                    return;
                }
                if fields.iter().filter(|field| is_given(path::get(data, field))).count() == 1 {
                    Ok(())
                } else {
                    Err(format!("exactly one of these fields must be non-empty: {}", quoted(fields)))
                }
            }
            Self::Distinct(fields) => {
                let values: Vec<&Value> =
                    fields.iter().filter_map(|field| path::get(data, field)).filter(|v| !v.is_null()).collect();
                let equal = values.iter().enumerate().any(|(i, a)| values[..i].iter().any(|b| a == b));
                if equal { Err(format!("values of these fields must be distinct: {}", quoted(fields))) } else { Ok(()) }
            }
            Self::MutuallyRequired(fields) => {
                if skipped(data, errors, fields) {
                    return;
                }
                let given = fields.iter().filter(|field| is_given(path::get(data, field))).count();
                if given == 0 || given == fields.len() {
                    Ok(())
                } else {
                    Err(format!("all or none of these fields must be set: {}", quoted(fields)))
                }
            }
            Self::MutuallyExclusive(fields) => {
                if skipped(data, errors, fields) {
                    return;
                }
                if fields.iter().filter(|field| is_given(path::get(data, field))).count() <= 1 {
                    Ok(())
                } else {
                    Err(format!("only one or none of these fields must be set: {}", quoted(fields)))
                }
            }
            Self::Conditional(check) => check.run(record, data, errors, cx),
            Self::ConditionalAtLeastOneOf(check) => check.run(record, data, cx),
            Self::Custom(check) => {
                let absent = check.fields.iter().all(|field| path::get(data, field).is_none());
                if absent && !check.with_missing {
                    return;
                }
                if !check.with_invalid && skipped(data, errors, &check.fields) {
                    return;
                }
                (check.check)(data)
            }
        };
        if let Err(text) = outcome {
            texts.push(Value::String(text));
        }
    }
}

impl Conditional {
    fn run(
        &self,
        record: &Record,
        data: &Map<String, Value>,
        errors: &mut Map<String, Value>,
        cx: &Context,
    ) -> Result<(), String> {
        let if_value = path::get(data, &self.if_field);
        let then_value = path::get(data, &self.then_field);
        if missing_required(record, data, errors, std::slice::from_ref(&self.if_field), cx) {
            return Ok(());
        }
        let Some(if_value) = if_value else { return Ok(()) };
        let made;
        let (if_match, then_match) = match &self.sealed {
            Some((if_match, then_match)) => (if_match, then_match),
            None => {
                let lay = |path: &str, over: &Field| record.at(path).unwrap_or(&Field::any()).overlaid(over);
                made = (lay(&self.if_field, &self.if_match), lay(&self.then_field, &self.then_match));
                (&made.0, &made.1)
            }
        };
        if holds_reference(if_value) || then_value.is_some_and(holds_reference) {
            return Ok(());
        }
        if validate_value(if_match, &mut if_value.clone(), cx).is_err() {
            return Ok(());
        }
        let mut then_value = then_value.cloned().unwrap_or(Value::Null);
        match validate_value(then_match, &mut then_value, cx) {
            Ok(()) => Ok(()),
            Err(error) => {
                path::set(errors, &self.then_field, error);
                Err(self.then_err.clone().unwrap_or_else(|| {
                    format!("failed conditional validation given value of field '{}'", self.if_field)
                }))
            }
        }
    }
}

impl ConditionalAtLeastOneOf {
    fn run(&self, record: &Record, data: &Map<String, Value>, cx: &Context) -> Result<(), String> {
        let Some(value) = path::get(data, &self.if_field) else { return Ok(()) };
        let passes = |sealed: &Option<Field>, over: &Field| {
            let mut value = value.clone();
            match sealed {
                Some(field) => validate_value(field, &mut value, cx).is_ok(),
                None => {
                    let field = record.at(&self.if_field).unwrap_or(&Field::any()).overlaid(over);
                    validate_value(&field, &mut value, cx).is_ok()
                }
            }
        };
        let (fields, err) = if passes(&self.sealed, &self.if_match) {
            (&self.then_at_least_one_of, &self.then_err)
        } else {
            match &self.otherwise {
                Some(other) if passes(&other.sealed, &other.else_match) => (&other.at_least_one_of, &other.err),
                _ => return Ok(()),
            }
        };
        if fields.iter().any(|field| is_given(path::get(data, field))) {
            return Ok(());
        }
        Err(match err {
            Some(text) => text.replace("%s", &quoted(fields)),
            None => at_least_one(fields, cx),
        })
    }
}

/// Puts an error on each named field that is absent although its definition requires it; gives whether it did.
fn missing_required(
    record: &Record,
    data: &Map<String, Value>,
    errors: &mut Map<String, Value>,
    fields: &[String],
    cx: &Context,
) -> bool {
    let mut missing = false;
    for field in fields {
        if path::get(data, field).is_none() && record.at(field).is_some_and(Field::is_required) {
            missing = true;
            if path::get(errors, field).is_none()
                && path::get(errors, field.split('.').next().unwrap_or(field)).is_none()
            {
                let text = if cx.updating {
                    "field required for entity check when updating"
                } else {
                    "field required for entity check"
                };
                path::set(errors, field, Value::from(text));
            }
        }
    }
    missing
}

fn skipped(data: &Map<String, Value>, errors: &Map<String, Value>, fields: &[String]) -> bool {
    fields.iter().any(|field| path::get(errors, field).is_some() || path::get(data, field).is_some_and(holds_reference))
}

fn holds_reference(value: &Value) -> bool {
    value.as_str().is_some_and(is_vault_reference)
}

fn is_given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    }
}

fn at_least_one(fields: &[String], cx: &Context) -> String {
    let when = if cx.updating { "when updating, " } else { "" };
    format!("{when}at least one of these fields must be non-empty: {}", quoted(fields))
}

fn quoted(fields: &[String]) -> String {
    fields
        .iter()
        .map(|field| format!("'{}'", lua::to_string(&Value::from(field.as_str()))))
        .collect::<Vec<_>>()
        .join(", ")
}
