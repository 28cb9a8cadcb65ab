//! One field: its type, default, rules, and what else is known of it.

use crate::{ErrPattern, IntoValidator, MatchAny, Record, Rules};
use serde_json::Value;
use std::{borrow::Cow, sync::Arc};

/// A field's type.
#[derive(Debug, Clone)]
pub enum Kind {
    /// No type check; what overlays of checks start from.
    Any,
    /// Text. At least one byte long unless `len_min` says otherwise.
    String,
    /// A number without fraction.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array(Box<Field>),
    /// A list without duplicates, order kept.
    Set(Box<Field>),
    /// Free keys.
    Map {
        /// What a key must be.
        keys: Box<Field>,
        /// What a value must be.
        values: Box<Field>,
    },
    /// Fixed keys.
    Record(Arc<Record>),
    /// A reference to another entity, `{"id": …}`.
    Foreign {
        /// Plural name of the entity.
        reference: Cow<'static, str>,
        /// What deleting the other one does.
        on_delete: Option<OnDelete>,
    },
    /// Any JSON; the value is the `json_schema` attribute to show.
    Json(Option<Value>),
    /// Replaced by the subschema's field.
    Abstract,
}

/// What happens to an entity when the one it references is deleted. Without one the deletion is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted too.
    Cascade,
    /// Its reference becomes null.
    Null,
}

/// How an absent value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto {
    /// A random UUID.
    Uuid,
    /// A random token of 32 letters and digits.
    Token,
    /// The time of creation, when absent or null.
    Created,
    /// The time of every write.
    Updated,
    /// Shown as `auto` only; something else fills it.
    Elsewhere,
}

/// A field that should no longer be used.
#[derive(Debug, Clone, Default)]
pub struct Deprecation {
    /// What to log.
    pub message: String,
    /// Version that takes it away.
    pub removal_in_version: String,
    /// A value that does not warn.
    pub old_default: Option<Value>,
    /// Dotted paths, within the same record, of what takes its place.
    pub replaced_with: Vec<String>,
}

/// A field's definition, built by chained calls.
#[derive(Debug, Clone)]
pub struct Field {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) required: Option<bool>,
    pub(crate) default: Option<Value>,
    pub(crate) auto: Option<Auto>,
    pub(crate) rules: Box<Rules>,
    pub(crate) err: Option<Cow<'static, str>>,
    pub(crate) unique: Option<bool>,
    pub(crate) unique_across_ws: bool,
    pub(crate) immutable: bool,
    pub(crate) referenceable: bool,
    pub(crate) encrypted: bool,
    pub(crate) transient: bool,
    pub(crate) indexed: bool,
    pub(crate) beyond: bool,
    pub(crate) deprecation: Option<Box<Deprecation>>,
    pub(crate) help: Cow<'static, str>,
}

impl Field {
    /// A field of a type.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            required: None,
            default: None,
            auto: None,
            rules: Box::default(),
            err: None,
            unique: None,
            unique_across_ws: false,
            immutable: false,
            referenceable: false,
            encrypted: false,
            transient: false,
            indexed: false,
            beyond: false,
            deprecation: None,
            help: Cow::Borrowed(""),
        }
    }

    /// Without name or type: an element, or what a check lays over a field.
    pub fn any() -> Self {
        Self::new("", Kind::Any)
    }

    /// Text.
    pub fn string(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::String)
    }

    /// An integer.
    pub fn integer(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// A number.
    pub fn number(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Number)
    }

    /// A boolean.
    pub fn boolean(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// A list of `elements`.
    pub fn array(name: impl Into<Cow<'static, str>>, elements: Field) -> Self {
        Self::new(name, Kind::Array(Box::new(elements)))
    }

    /// A set of `elements`.
    pub fn set(name: impl Into<Cow<'static, str>>, elements: Field) -> Self {
        Self::new(name, Kind::Set(Box::new(elements)))
    }

    /// A map.
    pub fn map(name: impl Into<Cow<'static, str>>, keys: Field, values: Field) -> Self {
        Self::new(name, Kind::Map { keys: Box::new(keys), values: Box::new(values) })
    }

    /// A nested record.
    pub fn record(name: impl Into<Cow<'static, str>>, record: impl Into<Arc<Record>>) -> Self {
        Self::new(name, Kind::Record(record.into()))
    }

    /// A reference to an entity.
    pub fn foreign(name: impl Into<Cow<'static, str>>, reference: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Foreign { reference: reference.into(), on_delete: None })
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether null or absence is an error.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(false)
    }

    /// Its default.
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// How it is filled.
    pub fn auto_value(&self) -> Option<Auto> {
        self.auto
    }

    /// Whether its value is unique (within a workspace).
    pub fn is_unique(&self) -> bool {
        self.unique.unwrap_or(false)
    }

    /// Whether its value is unique over all workspaces.
    pub fn is_unique_across_ws(&self) -> bool {
        self.unique_across_ws
    }

    /// Whether it may hold `{vault://…}`.
    pub fn is_referenceable(&self) -> bool {
        self.referenceable
    }

    /// Whether it is a secret to keep out of logs.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether it is accepted but kept elsewhere.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Whether Kong has no such field: it is shown only where it has a value, and described only where that is asked for.
    pub fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// Its deprecation.
    pub fn deprecated(&self) -> Option<&Deprecation> {
        self.deprecation.as_deref()
    }

    /// Its description.
    pub fn help_text(&self) -> &str {
        &self.help
    }

    /// The entity a foreign field references and what happens on its deletion.
    pub fn reference_to(&self) -> Option<(&str, Option<OnDelete>)> {
        match &self.kind {
            Kind::Foreign { reference, on_delete } => Some((reference, *on_delete)),
            _ => None,
        }
    }

    /// Another name.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Applies a [`crate::typedefs`] function (or any other).
    pub fn is(self, of: impl FnOnce(Field) -> Field) -> Self {
        of(self)
    }

    /// Null or absence is an error.
    pub fn required(mut self, yes: bool) -> Self {
        self.required = Some(yes);
        self
    }

    /// The `required` attribute is neither set nor shown: absence is fine.
    pub fn optional(mut self) -> Self {
        self.required = None;
        self
    }

    /// Filled in when absent on creation.
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Made by the gateway when absent.
    pub fn auto(mut self, auto: Auto) -> Self {
        self.auto = Some(auto);
        self
    }

    /// Must equal; `Value::Null` for "must be null".
    pub fn eq(mut self, value: impl Into<Value>) -> Self {
        self.rules.eq = Some(value.into());
        self
    }

    /// Must differ.
    pub fn ne(mut self, value: impl Into<Value>) -> Self {
        self.rules.ne = Some(value.into());
        self
    }

    /// Must be one of these.
    pub fn one_of<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.rules.one_of = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// Must be none of these.
    pub fn not_one_of<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.rules.not_one_of = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// Must be greater.
    pub fn gt(mut self, limit: impl Into<f64>) -> Self {
        self.rules.gt = Some(limit.into());
        self
    }

    /// Inclusive range.
    pub fn between(mut self, low: impl Into<f64>, high: impl Into<f64>) -> Self {
        self.rules.between = Some((low.into(), high.into()));
        self
    }

    /// A positive time stamp.
    pub fn timestamp(mut self, yes: bool) -> Self {
        self.rules.timestamp = yes;
        self
    }

    /// A UUID.
    pub fn uuid(mut self, yes: bool) -> Self {
        self.rules.uuid = yes;
        self
    }

    /// A PCRE.
    pub fn is_regex(mut self, yes: bool) -> Self {
        self.rules.is_regex = yes;
        self
    }

    /// Exact length.
    pub fn len_eq(mut self, length: usize) -> Self {
        self.rules.len_eq = Some(length);
        self
    }

    /// Least length. `0` lets a string be empty.
    pub fn len_min(mut self, length: usize) -> Self {
        self.rules.len_min = Some(length);
        self
    }

    /// Greatest length.
    pub fn len_max(mut self, length: usize) -> Self {
        self.rules.len_max = Some(length);
        self
    }

    /// Prefix.
    pub fn starts_with(mut self, prefix: impl Into<String>) -> Self {
        self.rules.starts_with = Some(prefix.into());
        self
    }

    /// Lua pattern that must not match.
    pub fn not_match(mut self, pattern: impl Into<String>) -> Self {
        self.rules.not_match = Some(pattern.into());
        self
    }

    /// Lua pattern that must match (`match` in attributes).
    pub fn matches(mut self, pattern: impl Into<String>) -> Self {
        self.rules.matches = Some(pattern.into());
        self
    }

    /// One more Lua pattern that must not match, with its text; replaces the same pattern's.
    pub fn match_none(mut self, pattern: impl Into<String>, err: impl Into<String>) -> Self {
        let rule = ErrPattern { pattern: pattern.into(), err: Some(err.into()) };
        self.rules.match_none.retain(|known| known.pattern != rule.pattern);
        self.rules.match_none.push(rule);
        self
    }

    /// One more Lua pattern that must match, with its text.
    pub fn match_all(mut self, pattern: impl Into<String>, err: impl Into<String>) -> Self {
        self.rules.match_all.push(ErrPattern { pattern: pattern.into(), err: Some(err.into()) });
        self
    }

    /// Lua patterns of which one must match; the text may be empty for the general one.
    pub fn match_any<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>, err: &str) -> Self {
        let err = (!err.is_empty()).then(|| err.to_owned());
        self.rules.match_any = Some(MatchAny { patterns: patterns.into_iter().map(Into::into).collect(), err });
        self
    }

    /// The list must hold this.
    pub fn contains(mut self, value: impl Into<Value>) -> Self {
        self.rules.contains = Some(value.into());
        self
    }

    /// Values of different subsets may not stand together.
    pub fn mutually_exclusive_subsets<V: Into<Value>>(
        mut self,
        subsets: impl IntoIterator<Item = impl IntoIterator<Item = V>>,
    ) -> Self {
        let subsets = subsets.into_iter().map(|subset| subset.into_iter().map(Into::into).collect()).collect();
        self.rules.mutually_exclusive_subsets = Some(subsets);
        self
    }

    /// A function with its own texts.
    pub fn validate<Argument: ?Sized>(mut self, validator: impl IntoValidator<Argument>) -> Self {
        self.rules.custom = Some(validator.into_validator());
        self
    }

    /// Replaces every rule's message.
    pub fn err(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.err = Some(text.into());
        self
    }

    /// Unique per workspace.
    pub fn unique(mut self, yes: bool) -> Self {
        self.unique = Some(yes);
        self
    }

    /// Unique over all workspaces.
    pub fn unique_across_ws(mut self, yes: bool) -> Self {
        self.unique_across_ws = yes;
        self
    }

    /// May not change after creation.
    pub fn immutable(mut self, yes: bool) -> Self {
        self.immutable = yes;
        self
    }

    /// May hold `{vault://…}`, on which no rule runs.
    pub fn referenceable(mut self, yes: bool) -> Self {
        self.referenceable = yes;
        self
    }

    /// A secret.
    pub fn encrypted(mut self, yes: bool) -> Self {
        self.encrypted = yes;
        self
    }

    /// Accepted but kept elsewhere.
    pub fn transient(mut self, yes: bool) -> Self {
        self.transient = yes;
        self
    }

    /// Looked up by; for storage.
    pub fn indexed(mut self, yes: bool) -> Self {
        self.indexed = yes;
        self
    }

    /// Kong has no such field; see [`Field::is_beyond`].
    pub fn beyond(mut self, yes: bool) -> Self {
        self.beyond = yes;
        self
    }

    /// Should no longer be used: the log line and the version that takes it away.
    pub fn deprecation(mut self, deprecation: Deprecation) -> Self {
        self.deprecation = Some(Box::new(deprecation));
        self
    }

    /// Should no longer be used, with a value that does not warn; removed in 4.0.
    pub fn deprecated_since_default(self, message: impl Into<String>, old_default: impl Into<Value>) -> Self {
        self.deprecation(Deprecation {
            message: message.into(),
            removal_in_version: "4.0".to_owned(),
            old_default: Some(old_default.into()),
            replaced_with: Vec::new(),
        })
    }

    /// Description for people.
    pub fn help(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.help = text.into();
        self
    }

    /// Changes what a list's elements must be. On a field without type it makes a list of any elements.
    pub fn elements(mut self, change: impl FnOnce(Field) -> Field) -> Self {
        match &mut self.kind {
            Kind::Array(field) | Kind::Set(field) => **field = change((**field).clone()),
            _ => self.kind = Kind::Array(Box::new(change(Field::any()))),
        }
        self
    }

    /// Changes what a map's keys must be.
    pub fn keys(mut self, change: impl FnOnce(Field) -> Field) -> Self {
        if let Kind::Map { keys, .. } = &mut self.kind {
            **keys = change((**keys).clone());
        }
        self
    }

    /// Changes what a map's values must be.
    pub fn values(mut self, change: impl FnOnce(Field) -> Field) -> Self {
        if let Kind::Map { values, .. } = &mut self.kind {
            **values = change((**values).clone());
        }
        self
    }

    /// Changes a nested record.
    pub fn fields(mut self, change: impl FnOnce(Record) -> Record) -> Self {
        if let Kind::Record(record) = &mut self.kind {
            *record = Arc::new(change((**record).clone()));
        }
        self
    }

    /// The entity a foreign field references.
    pub fn reference(mut self, entity: impl Into<Cow<'static, str>>) -> Self {
        let on_delete = self.reference_to().and_then(|(_, on_delete)| on_delete);
        self.kind = Kind::Foreign { reference: entity.into(), on_delete };
        self
    }

    /// What deleting the referenced entity does.
    pub fn on_delete(mut self, action: OnDelete) -> Self {
        if let Kind::Foreign { on_delete, .. } = &mut self.kind {
            *on_delete = Some(action);
        }
        self
    }

    /// The `json_schema` attribute of a field of any JSON.
    pub fn json_schema(mut self, schema: Value) -> Self {
        self.kind = Kind::Json(Some(schema));
        self
    }

    /// This field with what `over` says laid over it.
    pub(crate) fn overlaid(&self, over: &Field) -> Field {
        let mut merged = self.clone();
        merged.rules = Box::new(self.rules.overlaid(&over.rules));
        merged.required = over.required.or(self.required);
        merged.err = over.err.clone().or_else(|| self.err.clone());
        if let Kind::Array(elements) = &over.kind {
            match &mut merged.kind {
                Kind::Array(own) | Kind::Set(own) => *own = elements.clone(),
                _ => {}
            }
        }
        merged
    }
}
