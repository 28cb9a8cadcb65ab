//! A record: ordered fields with the checks that span them.

use crate::{Check, Field, IntoValidator, Kind, Shorthand, Validator};
use std::collections::HashMap;

/// What a struct deriving `Schema` offers.
pub trait Schema {
    /// Builds the definition; keep the result, building is not cheap.
    fn record() -> Record;
}

/// Fields in order, their cross-field checks, alias fields.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub(crate) fields: Vec<Field>,
    pub(crate) index: HashMap<String, usize>,
    pub(crate) checks: Vec<Check>,
    pub(crate) shorthands: Vec<Shorthand>,
    pub(crate) validator: Option<Validator>,
}

impl Record {
    /// Without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field, or replaces the one of the same name in its place.
    pub fn field(mut self, field: Field) -> Self {
        match self.index.get(field.name()) {
            Some(&at) => self.fields[at] = field,
            None => {
                self.index.insert(field.name().to_owned(), self.fields.len());
                self.fields.push(field);
            }
        }
        self
    }

    /// Changes the field of that name, if there is one.
    pub fn change(mut self, name: &str, change: impl FnOnce(Field) -> Field) -> Self {
        if let Some(&at) = self.index.get(name) {
            self.fields[at] = change(self.fields[at].clone());
        }
        self
    }

    /// Takes a field away.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|field| field.name() != name);
        self.index = self.fields.iter().enumerate().map(|(at, field)| (field.name().to_owned(), at)).collect();
        self
    }

    /// Adds a cross-field check.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds an alias field; aliases are processed in the order of these calls, before all other fields.
    pub fn shorthand(mut self, shorthand: Shorthand) -> Self {
        self.shorthands.push(shorthand);
        self
    }

    /// A validator of the whole record, run after its fields; its text stands on the field that holds the record.
    pub fn validate<Argument: ?Sized>(mut self, validator: impl IntoValidator<Argument>) -> Self {
        self.validator = Some(validator.into_validator());
        self
    }

    /// Applies a function: what several records share.
    pub fn with(self, change: impl FnOnce(Record) -> Record) -> Self {
        change(self)
    }

    /// Prepares the checks against the fields as they are now. Call it after the last change.
    pub fn sealed(mut self) -> Self {
        let mut checks = std::mem::take(&mut self.checks);
        for check in &mut checks {
            check.seal(&self);
        }
        self.checks = checks;
        self
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field by name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.index.get(name).map(|&at| &self.fields[at])
    }

    /// A field by dotted path.
    pub fn at(&self, path: &str) -> Option<&Field> {
        match path.split_once('.') {
            None => self.get(path),
            Some((head, rest)) => match &self.get(head)?.kind {
                Kind::Record(record) => record.at(rest),
                _ => None,
            },
        }
    }

    /// The checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The alias fields.
    pub fn shorthands(&self) -> &[Shorthand] {
        &self.shorthands
    }

    /// This record with the fields of `over` in place of its own and the checks of both: a subschema applied.
    pub fn merged(&self, over: &Record) -> Record {
        let mut merged = self.clone();
        for field in &over.fields {
            merged = merged.field(field.clone());
        }
        merged.checks.extend(over.checks.iter().cloned());
        merged.shorthands.extend(over.shorthands.iter().cloned());
        if over.validator.is_some() {
            merged.validator = over.validator.clone();
        }
        merged.sealed()
    }
}
