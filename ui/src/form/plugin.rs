//! The form of a plugin: what every plugin has, with what this one says of it.

use serde_json::Value;

use crate::order::sort_by_key;

use super::field::{Field, fields};

/// Order of the fields that every plugin has; `config` comes first.
const ORDER: [&str; 9] =
    ["config", "service", "route", "consumer", "consumer_group", "enabled", "instance_name", "protocols", "tags"];

/// Fields of a plugin: `all` is `GET /schemas/plugins`, `own` is `GET /schemas/plugins/{name}`. A field of `own` takes
/// the place of the field of `all`; `name` is left out: it is chosen before the form.
pub fn plugin_fields(all: &Value, own: &Value) -> Vec<Field> {
    let described = |of: &Value, name: &str| {
        of.get("fields").and_then(Value::as_array).into_iter().flatten().any(|field| field.get(name).is_some())
    };
    let mut list: Vec<Field> =
        fields(all).into_iter().filter(|field| field.name != "name" && !described(own, &field.name)).collect();
    for mut field in fields(own) {
        // A plugin's own description leaves out what it does not change.
        if let Some(base) = fields(all).into_iter().find(|base| base.name == field.name) {
            field.help = field.help.or(base.help);
            field.default = field.default.or(base.default);
        }
        list.push(field);
    }
    sort_by_key(&mut list, |field| ORDER.iter().position(|name| *name == field.name).unwrap_or(ORDER.len()));
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::Kind;

    #[test]
    fn a_plugin_narrows_what_all_have() {
        let all = json!({"fields": [
            {"id": {"type": "string", "auto": true, "uuid": true}},
            {"name": {"type": "string", "required": true}},
            {"service": {"type": "foreign", "reference": "services", "default": null}},
            {"consumer": {"type": "foreign", "reference": "consumers", "default": null}},
            {"config": {"type": "record", "abstract": true}},
            {"protocols": {"type": "set", "elements": {"type": "string", "one_of": ["http", "tcp"]}}},
        ]});
        let own = json!({"fields": [
            {"consumer": {"type": "foreign", "reference": "consumers", "eq": null}},
            {"protocols": {"type": "set", "elements": {"type": "string", "one_of": ["http"]}}},
            {"config": {"type": "record", "fields": [{"key_names": {"type": "array", "elements": {"type": "string"}}}]}},
        ]});
        let fields = plugin_fields(&all, &own);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["config", "service", "protocols"]);
        assert_eq!(fields[0].members().len(), 1);
        assert_eq!(fields[2].kind, Kind::Choices(vec![json!("http")]));
    }
}
