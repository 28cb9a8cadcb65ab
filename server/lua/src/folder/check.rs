//! Checks over several fields: `entity_checks`.

use super::definition::Reader;
use super::field::{table, text, texts};
use crate::error;
use mlua::Table;
use schema::{Check, Field};
use serde_json::{Map, Value as Json};

/// One of `entity_checks`.
pub fn read(reader: &mut Reader<'_>, given: &Table) -> mlua::Result<Check> {
    for (name, of) in [
        ("at_least_one_of", Check::at_least_one_of::<String> as fn(Vec<String>) -> Check),
        ("only_one_of", Check::only_one_of::<String>),
        ("distinct", Check::distinct::<String>),
        ("mutually_required", Check::mutually_required::<String>),
        ("mutually_exclusive", Check::mutually_exclusive::<String>),
    ] {
        if let Some(fields) = table(given, name)? {
            return Ok(of(texts(&fields)?));
        }
    }
    if let Some(rule) = table(given, "conditional")? {
        let if_match = matching(reader, &rule, "if_match")?;
        let then_match = matching(reader, &rule, "then_match")?;
        let named = |name: &str| Ok::<_, mlua::Error>(text(&rule, name)?.unwrap_or_default());
        let check = Check::conditional(named("if_field")?, |_| if_match, named("then_field")?, |_| then_match);
        return Ok(match text(&rule, "then_err")? {
            Some(text) => check.then_err(text),
            None => check,
        });
    }
    if let Some(rule) = table(given, "conditional_at_least_one_of")? {
        let if_match = matching(reader, &rule, "if_match")?;
        let fields = table(&rule, "then_at_least_one_of")?.map_or(Ok(Vec::new()), |fields| texts(&fields))?;
        let check =
            Check::conditional_at_least_one_of(text(&rule, "if_field")?.unwrap_or_default(), |_| if_match, fields);
        return Ok(match text(&rule, "then_err")? {
            Some(text) => check.then_err(text),
            None => check,
        });
    }
    if let Some(rule) = table(given, "custom_entity_check")? {
        let fields = table(&rule, "field_sources")?.map_or(Ok(Vec::new()), |fields| texts(&fields))?;
        let Some(function) = reader.function(&rule, "fn")? else {
            return Err(error::of("'custom_entity_check' must have a function 'fn'"));
        };
        let check = Check::custom(fields, move |entity: &Map<String, Json>| {
            function.verdict(Json::Object(entity.clone()), "entity check failed")
        });
        let check = match rule.get::<Option<bool>>("run_with_missing_fields")? {
            Some(true) => check.run_with_missing_fields(),
            _ => check,
        };
        return Ok(match rule.get::<Option<bool>>("run_with_invalid_fields")? {
            Some(true) => check.run_with_invalid_fields(),
            _ => check,
        });
    }
    let name = given.pairs::<mlua::Value, mlua::Value>().next().transpose()?;
    let name = name.map_or(Ok("nothing".to_owned()), |(name, _)| crate::value::text(&name))?;
    Err(error::of(format!("there is no entity check '{name}'")))
}

/// What one side of a condition must be.
fn matching(reader: &mut Reader<'_>, rule: &Table, name: &str) -> mlua::Result<Field> {
    match table(rule, name)? {
        Some(attributes) => {
            let mut field = reader.rules(Field::any(), &attributes)?;
            if let Some(elements) = table(&attributes, "elements")? {
                let elements = reader.rules(Field::any(), &elements)?;
                field = field.elements(|_| elements);
            }
            Ok(field)
        }
        None => Ok(Field::any()),
    }
}
