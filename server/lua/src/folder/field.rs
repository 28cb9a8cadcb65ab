//! Fields of a `schema.lua` as definitions of the gateway: `{ name = { type = "string", required = true, … } }`.

use super::check;
use super::definition::{Calls, Reader};
use crate::error;
use crate::value;
use mlua::{Function, Table, Value};
use schema::{Auto, Deprecation, Field, Kind, OnDelete, Record, Shorthand, typedefs};
use serde_json::{Map, Value as Json};

/// A text attribute.
pub fn text(table: &Table, name: &str) -> mlua::Result<Option<String>> {
    match table.get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(text.to_string_lossy().to_string())),
        other => Err(error::of(format!("'{name}' must be a string, not a {}", other.type_name()))),
    }
}

/// A list of texts.
pub fn texts(table: &Table) -> mlua::Result<Vec<String>> {
    table.sequence_values::<Value>().map(|item| value::text(&item?)).collect()
}

/// A boolean attribute.
pub fn flag(table: &Table, name: &str) -> mlua::Result<Option<bool>> {
    match table.get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::Boolean(yes) => Ok(Some(yes)),
        other => Err(error::of(format!("'{name}' must be a boolean, not a {}", other.type_name()))),
    }
}

fn length(table: &Table, name: &str) -> mlua::Result<Option<usize>> {
    match table.get::<Value>(name)? {
        Value::Nil => Ok(None),
        given => match value::number(&given) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
            Some(number) if number.fract() == 0.0 && number >= 0.0 => Ok(Some(number as usize)),
            _ => Err(error::of(format!("'{name}' must be a whole number"))),
        },
    }
}

/// A table attribute.
pub fn table(table: &Table, name: &str) -> mlua::Result<Option<Table>> {
    match table.get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::Table(inner) => Ok(Some(inner)),
        other => Err(error::of(format!("'{name}' must be a table, not a {}", other.type_name()))),
    }
}

/// Adds where an error is.
fn at<T>(result: mlua::Result<T>, name: &str) -> mlua::Result<T> {
    result.map_err(|error| match error::text(&error) {
        text if text.starts_with("field '") => {
            let (inner, rest) = text["field '".len()..].split_once('\'').unwrap_or(("", ""));
            error::of(format!("field '{name}.{inner}'{rest}"))
        }
        text => error::of(format!("field '{name}': {text}")),
    })
}

impl Reader<'_> {
    /// The fields of a record: a list of tables with one name each.
    pub fn fields(&mut self, list: &Table) -> mlua::Result<Vec<Field>> {
        let mut fields = Vec::new();
        for entry in list.sequence_values::<Value>() {
            let Value::Table(entry) = entry? else { return Err(error::of("each of 'fields' must be a table")) };
            let Some(pair) = entry.pairs::<Value, Value>().next() else {
                return Err(error::of("each of 'fields' must have a name"));
            };
            let (Value::String(name), Value::Table(attributes)) = pair? else {
                return Err(error::of("each of 'fields' must be a name with a table"));
            };
            let name = name.to_string_lossy().to_string();
            fields.push(at(self.field(&name, &attributes), &name)?);
        }
        Ok(fields)
    }

    /// A record: its fields, checks and short-hand names.
    pub fn record(&mut self, attributes: &Table) -> mlua::Result<Record> {
        if text(attributes, "_typedef")?.as_deref() == Some("redis") {
            return Ok(typedefs::redis());
        }
        let Some(list) = table(attributes, "fields")? else { return Err(error::of("a record must have 'fields'")) };
        let mut record = self.fields(&list)?.into_iter().fold(Record::new(), Record::field);
        for shorthand in self.shorthands(attributes)? {
            record = record.shorthand(shorthand);
        }
        if let Some(checks) = table(attributes, "entity_checks")? {
            for given in checks.sequence_values::<Table>() {
                record = record.check(check::read(self, &given?)?);
            }
        }
        Ok(record)
    }

    fn shorthands(&mut self, attributes: &Table) -> mlua::Result<Vec<Shorthand>> {
        let Some(list) = table(attributes, "shorthand_fields")? else { return Ok(Vec::new()) };
        let mut shorthands = Vec::new();
        for entry in list.sequence_values::<Table>() {
            let Some(pair) = entry?.pairs::<String, Table>().next() else { continue };
            let (name, attributes) = pair?;
            let field = at(self.field(&name, &attributes), &name)?;
            let Some(expand) = self.function(&attributes, "func")? else {
                return Err(error::of(format!("the short-hand field '{name}' must have a function 'func'")));
            };
            shorthands.push(Shorthand::computed(field, move |value, _| {
                expand.call(vec![value.clone()]).and_then(|result| match result.first() {
                    Some(Json::Object(fields)) => Ok(fields.clone()),
                    Some(Json::Array(list)) if list.is_empty() => Ok(Map::new()),
                    _ => Err("the short-hand field's function gave no table".to_owned()),
                })
            }));
        }
        Ok(shorthands)
    }

    /// One field by its attributes.
    pub fn field(&mut self, name: &str, attributes: &Table) -> mlua::Result<Field> {
        let kind = text(attributes, "type")?.ok_or_else(|| error::of("'type' is missing"))?;
        let part = |reader: &mut Self, what: &str| match table(attributes, what)? {
            Some(inner) => at(reader.field("", &inner), what),
            None => Ok(Field::any()),
        };
        let name = name.to_owned();
        let field = match kind.as_str() {
            "string" => Field::string(name),
            "integer" => Field::integer(name),
            "number" => Field::number(name),
            "boolean" => Field::boolean(name),
            "array" => Field::array(name, part(self, "elements")?),
            "set" => Field::set(name, part(self, "elements")?),
            "map" => {
                let keys = match table(attributes, "keys")? {
                    Some(keys) => at(self.field("", &keys), "keys")?,
                    None => Field::string(""),
                };
                Field::map(name, keys, part(self, "values")?)
            }
            "record" => Field::record(name, self.record(attributes)?.sealed()),
            "foreign" => {
                let reference = text(attributes, "reference")?.unwrap_or_default();
                let field = Field::foreign(name, reference);
                match text(attributes, "on_delete")?.as_deref() {
                    Some("cascade") => field.on_delete(OnDelete::Cascade),
                    Some("null") => field.on_delete(OnDelete::Null),
                    _ => field,
                }
            }
            "json" => Field::new(name, Kind::Json(None)),
            "any" => Field::new(name, Kind::Any),
            other => return Err(error::of(format!("there is no type '{other}'"))),
        };
        let field = match text(attributes, "_typedef")?.as_deref() {
            Some(known) => self.typedef(field, known),
            None => field,
        };
        let field = self.rules(field, attributes)?;
        described(field, attributes)
    }

    /// The gateway's own rules for common fields.
    fn typedef(&self, field: Field, name: &str) -> Field {
        match name {
            "host" => field.is(typedefs::host),
            "host_with_optional_port" => field.is(typedefs::host_with_optional_port),
            "wildcard_host" => field.is(typedefs::wildcard_host),
            "ip" => field.is(typedefs::ip),
            "ip_or_cidr" | "cidr_v4" => field.is(typedefs::ip_or_cidr),
            "path" => field.is(typedefs::path),
            "url" => field.is(typedefs::url),
            "sni" => field.is(typedefs::sni),
            "header_name" => field.is(typedefs::header_name),
            "cookie_name" => field.is(typedefs::cookie_name),
            "utf8_name" => field.is(typedefs::utf8_name),
            "tag" => field.is(typedefs::tag),
            "protocol" => field.is(typedefs::protocol),
            "port" => field.is(typedefs::port),
            "timeout" => field.is(typedefs::timeout),
            "lua_code" => field.values(|value| {
                value.validate(|chunk: &str| {
                    crate::worker::check(chunk).map_err(|error| format!("Error parsing function: {error}"))
                })
            }),
            _ => field,
        }
    }

    /// What a value must be.
    pub fn rules(&mut self, mut field: Field, attributes: &Table) -> mlua::Result<Field> {
        let lua = self.lua;
        let json = |name: &str| match attributes.get::<Value>(name)? {
            Value::Nil => Ok(None),
            given => value::to_json(lua, &given).map(Some),
        };
        let list = |name: &str| -> mlua::Result<Option<Vec<Json>>> {
            Ok(match json(name)? {
                Some(Json::Array(items)) => Some(items),
                Some(Json::Object(members)) if members.is_empty() => Some(Vec::new()),
                Some(_) => return Err(error::of(format!("'{name}' must be a list"))),
                None => None,
            })
        };
        if let Some(yes) = flag(attributes, "required")? {
            field = field.required(yes);
        }
        if let Some(default) = json("default")? {
            // An empty table of Lua does not say which of the two it is.
            let is_list = matches!(field.kind(), Kind::Array(_) | Kind::Set(_));
            let empty = default.as_object().is_some_and(Map::is_empty);
            field = field.default(if is_list && empty { Json::Array(Vec::new()) } else { default });
        }
        if let Some(value) = json("eq")? {
            field = field.eq(value);
        }
        if let Some(value) = json("ne")? {
            field = field.ne(value);
        }
        if let Some(values) = list("one_of")? {
            field = field.one_of(values);
        }
        if let Some(values) = list("not_one_of")? {
            field = field.not_one_of(values);
        }
        if let Some(limit) = json("gt")? {
            let Some(limit) = limit.as_f64() else { return Err(error::of("'gt' must be a number")) };
            field = field.gt(limit);
        }
        if let Some(bounds) = list("between")? {
            let bounds: Vec<f64> = bounds.iter().filter_map(Json::as_f64).collect();
            let [low, high] = bounds[..] else { return Err(error::of("'between' must be two numbers")) };
            field = field.between(low, high);
        }
        for (name, apply) in [
            ("timestamp", Field::timestamp as fn(Field, bool) -> Field),
            ("uuid", Field::uuid),
            ("is_regex", Field::is_regex),
            ("unique", Field::unique),
            ("immutable", Field::immutable),
            ("referenceable", Field::referenceable),
            ("encrypted", Field::encrypted),
            ("transient", Field::transient),
            ("indexed", Field::indexed),
        ] {
            if let Some(yes) = flag(attributes, name)? {
                field = apply(field, yes);
            }
        }
        if flag(attributes, "auto")? == Some(true) {
            let rules = field.rules();
            field = match (rules.uuid, rules.timestamp) {
                (true, _) => field.auto(Auto::Uuid),
                (_, true) if field.name() == "updated_at" => field.auto(Auto::Updated),
                (_, true) => field.auto(Auto::Created),
                _ => field.auto(Auto::Token),
            };
        }
        for (name, apply) in [
            ("len_eq", Field::len_eq as fn(Field, usize) -> Field),
            ("len_min", Field::len_min),
            ("len_max", Field::len_max),
        ] {
            if let Some(length) = length(attributes, name)? {
                field = apply(field, length);
            }
        }
        if let Some(prefix) = text(attributes, "starts_with")? {
            field = field.starts_with(prefix);
        }
        if let Some(pattern) = text(attributes, "match")? {
            field = field.matches(pattern);
        }
        if let Some(pattern) = text(attributes, "not_match")? {
            field = field.not_match(pattern);
        }
        for name in ["match_none", "match_all"] {
            let Some(rules) = table(attributes, name)? else { continue };
            for rule in rules.sequence_values::<Table>() {
                let rule = rule?;
                let pattern = text(&rule, "pattern")?.unwrap_or_default();
                let err = text(&rule, "err")?.unwrap_or_else(|| "invalid value".to_owned());
                field = match name {
                    "match_none" => field.match_none(pattern, err),
                    _ => field.match_all(pattern, err),
                };
            }
        }
        if let Some(rule) = table(attributes, "match_any")? {
            let patterns = table(&rule, "patterns")?.map_or(Ok(Vec::new()), |patterns| texts(&patterns))?;
            field = field.match_any(patterns, &text(&rule, "err")?.unwrap_or_default());
        }
        if let Some(value) = json("contains")? {
            field = field.contains(value);
        }
        if let Some(subsets) = list("mutually_exclusive_subsets")? {
            let subsets = subsets.into_iter().map(|subset| match subset {
                Json::Array(items) => items,
                other => vec![other],
            });
            field = field.mutually_exclusive_subsets(subsets);
        }
        if let Some(function) = self.function(attributes, "custom_validator")? {
            field = field.validate(move |value: &Json| function.verdict(value.clone(), "validation failed"));
        }
        if let Some(err) = text(attributes, "err")? {
            field = field.err(err);
        }
        Ok(field)
    }

    /// A function of the schema, callable from every thread.
    pub fn function(&mut self, attributes: &Table, name: &str) -> mlua::Result<Option<Calls>> {
        match attributes.get::<Value>(name)? {
            Value::Nil => Ok(None),
            Value::Function(function) => Ok(Some(self.keep(function))),
            other => Err(error::of(format!("'{name}' must be a function, not a {}", other.type_name()))),
        }
    }

    fn keep(&mut self, function: Function) -> Calls {
        self.functions.push(function);
        Calls { plugin: self.plugin, index: self.functions.len() - 1 }
    }
}

/// What people read.
fn described(mut field: Field, attributes: &Table) -> mlua::Result<Field> {
    if let Some(help) = text(attributes, "description")? {
        field = field.help(help);
    }
    if let Some(deprecation) = table(attributes, "deprecation")? {
        field = field.deprecation(Deprecation {
            message: text(&deprecation, "message")?.unwrap_or_default(),
            removal_in_version: text(&deprecation, "removal_in_version")?.unwrap_or_default(),
            ..Deprecation::default()
        });
    }
    Ok(field)
}
