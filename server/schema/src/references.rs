//! References to secrets (`{vault://…}`) in values.

use crate::validator::is_vault_reference;
use crate::{Field, Kind, Record};
use serde_json::Value;

impl Record {
    /// Puts what `resolve` gives in the places of references, in fields that take them; tells whether there was any.
    pub fn dereference(&self, value: &mut Value, resolve: &mut dyn FnMut(&str) -> String) -> bool {
        let Some(members) = value.as_object_mut() else { return false };
        let mut found = false;
        for field in self.fields() {
            if let Some(member) = members.get_mut(field.name()) {
                found |= field.dereference(member, false, resolve);
            }
        }
        found
    }
}

impl Field {
    /// `taken`: what it is an element of takes references.
    fn dereference(&self, value: &mut Value, taken: bool, resolve: &mut dyn FnMut(&str) -> String) -> bool {
        let taken = taken || self.is_referenceable();
        let mut found = false;
        match (self.kind(), value) {
            (Kind::Record(record), value) => return record.dereference(value, resolve),
            (Kind::Array(element) | Kind::Set(element), Value::Array(values)) => {
                for value in values {
                    found |= element.dereference(value, taken, resolve);
                }
            }
            (Kind::Map { values: element, .. }, Value::Object(values)) => {
                for value in values.values_mut() {
                    found |= element.dereference(value, taken, resolve);
                }
            }
            (_, Value::String(text)) if taken && is_vault_reference(text) => {
                found = true;
                *text = resolve(text);
            }
            _ => {}
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_take_references_get_what_they_lead_to() {
        let record = Record::new()
            .field(Field::string("plain"))
            .field(Field::string("secret").referenceable(true))
            .field(Field::array("list", Field::string("").referenceable(true)))
            .field(Field::map("map", Field::string(""), Field::string("").referenceable(true)))
            .field(Field::record("inner", Record::new().field(Field::string("key").referenceable(true))))
            .sealed();
        let reference = "{vault://env/a}";
        let value = |text: &str| {
            json!({
                "plain": reference, "secret": text, "list": ["x", text], "map": { "k": text }, "inner": { "key": text },
            })
        };
        let mut found = value(reference);
        assert!(record.dereference(&mut found, &mut |text| text.replace(reference, "s3cret")));
        assert_eq!(found, value("s3cret"));
        assert!(!record.dereference(&mut found, &mut |text| text.to_owned()));
    }
}
