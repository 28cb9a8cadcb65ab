//! The JSON of `GET /schemas/…`.

use crate::{Check, Field, Kind, OnDelete, Record, Shorthand};
use serde_json::{Map, Value, json};

impl Record {
    /// `{"fields": […], "entity_checks": […]}`; functions do not show, nor do fields that Kong does not have.
    pub fn describe(&self) -> Value {
        json!({ "fields": self.describe_fields(), "entity_checks": self.describe_checks() })
    }

    /// The same with the fields that Kong does not have.
    pub fn describe_all(&self) -> Value {
        json!({ "fields": describe_each(self.fields.iter()), "entity_checks": self.describe_checks() })
    }

    /// `[{"id": {…}}, …]`.
    pub fn describe_fields(&self) -> Value {
        describe_each(self.fields.iter().filter(|field| !field.beyond))
    }

    /// `[{"at_least_one_of": […]}, …]`.
    pub fn describe_checks(&self) -> Value {
        self.checks.iter().map(Check::describe).collect()
    }

    /// `[{"redis_host": {…}}, …]`.
    pub fn describe_shorthands(&self) -> Value {
        self.shorthands.iter().map(|s: &Shorthand| json!({ s.name(): s.field.describe() })).collect()
    }
}

fn describe_each<'f>(fields: impl Iterator<Item = &'f Field>) -> Value {
    fields.map(|field| json!({ field.name(): field.describe() })).collect()
}

fn num(value: f64) -> Value {
    if value.is_infinite() {
        return Value::from(if value > 0.0 { "inf" } else { "-inf" });
    }
    #[allow(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
    if value == value.trunc() && value.abs() < 9_007_199_254_740_992.0 {
        return Value::from(value as i64);
    }
    Value::from(value)
}

impl Field {
    /// The attributes of the field, without its name.
    pub fn describe(&self) -> Value {
        let mut out = Map::new();
        let kind = match &self.kind {
            Kind::Any => None,
            Kind::String => Some("string"),
            Kind::Integer => Some("integer"),
            Kind::Number => Some("number"),
            Kind::Boolean => Some("boolean"),
            Kind::Array(_) => Some("array"),
            Kind::Set(_) => Some("set"),
            Kind::Map { .. } => Some("map"),
            Kind::Record(_) | Kind::Abstract => Some("record"),
            Kind::Foreign { .. } => Some("foreign"),
            Kind::Json(_) => Some("json"),
        };
        if let Some(kind) = kind {
            out.insert("type".to_owned(), kind.into());
        }
        if let Some(required) = self.required {
            out.insert("required".to_owned(), required.into());
        }
        if let Some(default) = &self.default {
            out.insert("default".to_owned(), default.clone());
        }
        let flags = [
            ("auto", self.auto.is_some()),
            ("unique_across_ws", self.unique_across_ws),
            ("immutable", self.immutable),
            ("referenceable", self.referenceable),
            ("encrypted", self.encrypted),
            ("transient", self.transient),
            ("indexed", self.indexed),
            ("abstract", matches!(self.kind, Kind::Abstract)),
        ];
        for (name, _) in flags.iter().filter(|(_, set)| *set) {
            out.insert((*name).to_owned(), true.into());
        }
        if let Some(unique) = self.unique {
            out.insert("unique".to_owned(), unique.into());
        }
        self.describe_kind(&mut out);
        self.describe_rules(&mut out);
        if let Some(err) = &self.err {
            out.insert("err".to_owned(), err.as_ref().into());
        }
        if let Some(deprecation) = &self.deprecation {
            let mut shown = Map::new();
            shown.insert("message".to_owned(), deprecation.message.as_str().into());
            shown.insert("removal_in_version".to_owned(), deprecation.removal_in_version.as_str().into());
            if let Some(old) = &deprecation.old_default {
                shown.insert("old_default".to_owned(), old.clone());
            }
            if !deprecation.replaced_with.is_empty() {
                let paths =
                    deprecation.replaced_with.iter().map(|p| json!({ "path": p.split('.').collect::<Vec<_>>() }));
                shown.insert("replaced_with".to_owned(), paths.collect());
            }
            out.insert("deprecation".to_owned(), Value::Object(shown));
        }
        if !self.help.is_empty() {
            out.insert("description".to_owned(), self.help.as_ref().into());
        }
        Value::Object(out)
    }

    fn describe_kind(&self, out: &mut Map<String, Value>) {
        match &self.kind {
            Kind::Array(elements) | Kind::Set(elements) => {
                out.insert("elements".to_owned(), elements.describe());
            }
            Kind::Map { keys, values } => {
                out.insert("keys".to_owned(), keys.describe());
                out.insert("values".to_owned(), values.describe());
            }
            Kind::Record(record) => {
                out.insert("fields".to_owned(), record.describe_fields());
                if !record.checks.is_empty() {
                    out.insert("entity_checks".to_owned(), record.describe_checks());
                }
                if !record.shorthands.is_empty() {
                    out.insert("shorthand_fields".to_owned(), record.describe_shorthands());
                }
            }
            Kind::Foreign { reference, on_delete } => {
                out.insert("reference".to_owned(), reference.as_ref().into());
                if let Some(action) = on_delete {
                    let action = if *action == OnDelete::Cascade { "cascade" } else { "null" };
                    out.insert("on_delete".to_owned(), action.into());
                }
            }
            Kind::Json(Some(schema)) => {
                out.insert("json_schema".to_owned(), schema.clone());
            }
            _ => {}
        }
    }

    fn describe_rules(&self, out: &mut Map<String, Value>) {
        let rules = &self.rules;
        let mut put = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        for (name, value) in [("eq", &rules.eq), ("ne", &rules.ne), ("contains", &rules.contains)] {
            if let Some(value) = value {
                put(name, value.clone());
            }
        }
        for (name, values) in [("one_of", &rules.one_of), ("not_one_of", &rules.not_one_of)] {
            if let Some(values) = values {
                // An empty list is an empty table, which Kong's encoder writes as an object.
                put(name, if values.is_empty() { json!({}) } else { Value::Array(values.clone()) });
            }
        }
        if let Some(limit) = rules.gt {
            put("gt", num(limit));
        }
        for (name, set) in [("timestamp", rules.timestamp), ("uuid", rules.uuid), ("is_regex", rules.is_regex)] {
            if set {
                put(name, true.into());
            }
        }
        if let Some((low, high)) = rules.between {
            put("between", json!([num(low), num(high)]));
        }
        for (name, length) in [("len_eq", rules.len_eq), ("len_min", rules.len_min), ("len_max", rules.len_max)] {
            if let Some(length) = length {
                put(name, length.into());
            }
        }
        for (name, text) in
            [("starts_with", &rules.starts_with), ("not_match", &rules.not_match), ("match", &rules.matches)]
        {
            if let Some(text) = text {
                put(name, text.as_str().into());
            }
        }
        for (name, patterns) in [("match_none", &rules.match_none), ("match_all", &rules.match_all)] {
            if !patterns.is_empty() {
                put(
                    name,
                    patterns.iter().map(|p| with_err(json!({ "pattern": p.pattern }), p.err.as_deref())).collect(),
                );
            }
        }
        if let Some(any) = &rules.match_any {
            put("match_any", with_err(json!({ "patterns": any.patterns }), any.err.as_deref()));
        }
        if let Some(subsets) = &rules.mutually_exclusive_subsets {
            put("mutually_exclusive_subsets", json!(subsets));
        }
    }
}

fn with_err(mut value: Value, err: Option<&str>) -> Value {
    if let Some(err) = err {
        value["err"] = err.into();
    }
    value
}

impl Check {
    /// The check as one JSON object.
    pub fn describe(&self) -> Value {
        match self {
            Self::AtLeastOneOf(fields) => json!({ "at_least_one_of": fields }),
            Self::OnlyOneOf(fields) => json!({ "only_one_of": fields }),
            Self::Distinct(fields) => json!({ "distinct": fields }),
            Self::MutuallyRequired(fields) => json!({ "mutually_required": fields }),
            Self::MutuallyExclusive(fields) => json!({ "mutually_exclusive": fields }),
            Self::Conditional(c) => {
                let mut out = json!({
                    "if_field": c.if_field,
                    "if_match": overlay(&c.if_match),
                    "then_field": c.then_field,
                    "then_match": overlay(&c.then_match),
                });
                if let Some(err) = &c.then_err {
                    out["then_err"] = err.as_str().into();
                }
                json!({ "conditional": out })
            }
            Self::ConditionalAtLeastOneOf(c) => {
                let mut out = json!({
                    "if_field": c.if_field,
                    "if_match": overlay(&c.if_match),
                    "then_at_least_one_of": c.then_at_least_one_of,
                });
                if let Some(err) = &c.then_err {
                    out["then_err"] = err.as_str().into();
                }
                if let Some(other) = &c.otherwise {
                    out["else_match"] = overlay(&other.else_match);
                    out["else_then_at_least_one_of"] = json!(other.at_least_one_of);
                    if let Some(err) = &other.err {
                        out["else_then_err"] = err.as_str().into();
                    }
                }
                json!({ "conditional_at_least_one_of": out })
            }
            Self::Custom(c) => {
                let mut out = json!({ "field_sources": c.fields });
                if c.with_missing {
                    out["run_with_missing_fields"] = true.into();
                }
                if c.with_invalid {
                    out["run_with_invalid_fields"] = true.into();
                }
                json!({ "custom_entity_check": out })
            }
        }
    }
}

/// An overlay says nothing of the list type its elements stand in.
fn overlay(field: &Field) -> Value {
    let mut shown = field.describe();
    if let (Kind::Array(_), Value::Object(members)) = (&field.kind, &mut shown) {
        members.shift_remove("type");
    }
    shown
}
