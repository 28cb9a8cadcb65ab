//! The language can say what every bundled plugin says: definitions made from the reference describe themselves
//! as the reference does, and recorded calls that need no function of the plugin's own come out as recorded.

use entities::{Definitions, Flavor, PluginSchema, PluginSchemas, Scopes, VaultSchemas};
use schema::{Check, Deprecation, Field, Kind, Map, Record, Shorthand, Value, typedefs};
use std::{fs, path::Path};

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Every attribute of the reference, as a builder call; an attribute this does not know fails the test.
fn field(name: &str, value: &Value) -> Field {
    let inner = |key: &str| field("", &value[key]);
    let kind = match value["type"].as_str() {
        Some("string") => Kind::String,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("array") => Kind::Array(Box::new(inner("elements"))),
        Some("set") => Kind::Set(Box::new(inner("elements"))),
        Some("map") => Kind::Map { keys: Box::new(inner("keys")), values: Box::new(inner("values")) },
        Some("record") => Kind::Record(record(value).into()),
        Some("foreign") => {
            Kind::Foreign { reference: value["reference"].as_str().unwrap().to_owned().into(), on_delete: None }
        }
        Some("json") => Kind::Json(value.get("json_schema").cloned()),
        None => Kind::Any,
        other => panic!("type {other:?}"),
    };
    rules(Field::new(name.to_owned(), kind), value)
}

fn rules(mut f: Field, value: &Value) -> Field {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let number = |v: &Value| v.as_f64().unwrap_or(f64::INFINITY);
    for (key, v) in value.as_object().unwrap() {
        f = match key.as_str() {
            "type" | "fields" | "entity_checks" | "shorthand_fields" | "keys" | "values" | "reference"
            | "json_schema" => f,
            "elements" if matches!(f.kind(), Kind::Any | Kind::Set(_) | Kind::Array(_)) => f.elements(|_| field("", v)),
            "required" => f.required(v.as_bool().unwrap()),
            "default" => f.default(v.clone()),
            "eq" => f.eq(v.clone()),
            "ne" => f.ne(v.clone()),
            "one_of" => f.one_of(list(v)),
            "not_one_of" => f.not_one_of(list(v)),
            "gt" => f.gt(number(v)),
            "between" => f.between(number(&v[0]), number(&v[1])),
            "len_min" => f.len_min(v.as_u64().unwrap() as usize),
            "len_max" => f.len_max(v.as_u64().unwrap() as usize),
            "len_eq" => f.len_eq(v.as_u64().unwrap() as usize),
            "match" => f.matches(v.as_str().unwrap()),
            "not_match" => f.not_match(v.as_str().unwrap()),
            "match_none" => {
                list(v).iter().fold(f, |f, m| f.match_none(m["pattern"].as_str().unwrap(), m["err"].as_str().unwrap()))
            }
            "match_all" => {
                list(v).iter().fold(f, |f, m| f.match_all(m["pattern"].as_str().unwrap(), m["err"].as_str().unwrap()))
            }
            "match_any" => f.match_any(texts(&v["patterns"]), v["err"].as_str().unwrap_or("")),
            "starts_with" => f.starts_with(v.as_str().unwrap()),
            "contains" => f.contains(v.clone()),
            "auto" => f.auto(schema::Auto::Token),
            "unique" => f.unique(v.as_bool().unwrap()),
            "uuid" => f.uuid(true),
            "timestamp" => f.timestamp(true),
            "is_regex" => f.is_regex(true),
            "referenceable" => f.referenceable(true),
            "encrypted" => f.encrypted(true),
            "err" => f.err(v.as_str().unwrap().to_owned()),
            "deprecation" => f.deprecation(deprecation(v)),
            "x-validator" => validator(f, v.as_str().unwrap()),
            key if key.starts_with("x-") => f,
            other => panic!("attribute {other}"),
        };
    }
    f
}

/// The functions that are everybody's.
fn validator(f: Field, note: &str) -> Field {
    type Typedef = fn(Field) -> Field;
    let known: [(&str, Typedef); 7] = [
        ("host: parse as", typedefs::host),
        ("url: parseable", typedefs::url),
        ("header name: ^", typedefs::header_name),
        ("sni: must be", typedefs::sni),
        ("must be an IPv4/IPv6 address or CIDR", typedefs::ip_or_cidr),
        ("path: only RFC", typedefs::path),
        ("tag: valid", typedefs::tag),
    ];
    match known.iter().find(|(begin, _)| note.starts_with(begin)) {
        Some((_, apply)) => apply(f),
        None => f,
    }
}

fn deprecation(v: &Value) -> Deprecation {
    Deprecation {
        message: v["message"].as_str().unwrap().to_owned(),
        removal_in_version: v["removal_in_version"].as_str().unwrap().to_owned(),
        old_default: v.get("old_default").cloned(),
        replaced_with: v["replaced_with"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| texts(&p["path"]).join("."))
            .collect(),
    }
}

fn record(value: &Value) -> Record {
    let mut out = Record::new();
    for entry in value["fields"].as_array().into_iter().flatten() {
        for (name, attributes) in entry.as_object().unwrap() {
            out = out.field(field(name, attributes));
        }
    }
    for entry in value["shorthand_fields"].as_array().into_iter().flatten() {
        for (name, attributes) in entry.as_object().unwrap() {
            let alias = field(name, attributes);
            let target = alias.deprecated().and_then(|d| d.replaced_with.first().cloned());
            let copied = attributes["x-shorthand"].as_str().is_some_and(|note| note.starts_with("value is copied"));
            out = out.shorthand(match target {
                Some(target) if copied => {
                    let message = alias.deprecated().unwrap().message.clone();
                    Shorthand::renamed(alias, &target, message)
                }
                Some(target) => Shorthand::computed(alias, move |value, _| {
                    let mut fields = Map::new();
                    schema::path::set(&mut fields, &target, value.clone());
                    Ok(fields)
                }),
                None => Shorthand::computed(alias, |_, _| Ok(Map::new())),
            });
        }
    }
    for entry in value["entity_checks"].as_array().into_iter().flatten() {
        out = out.check(check(entry));
    }
    out.sealed()
}

fn check(entry: &Value) -> Check {
    let (kind, v) = entry.as_object().unwrap().iter().next().unwrap();
    let text = |key: &str| v[key].as_str().map(str::to_owned);
    match kind.as_str() {
        "at_least_one_of" => Check::at_least_one_of(texts(v)),
        "only_one_of" => Check::only_one_of(texts(v)),
        "distinct" => Check::distinct(texts(v)),
        "mutually_required" => Check::mutually_required(texts(v)),
        "mutually_exclusive" => Check::mutually_exclusive(texts(v)),
        "custom_entity_check" => Check::custom(texts(&v["field_sources"]), |_| Ok(())),
        "conditional" => {
            let check = Check::conditional(
                text("if_field").unwrap(),
                |f| rules(f, &v["if_match"]),
                text("then_field").unwrap(),
                |f| rules(f, &v["then_match"]),
            );
            match text("then_err") {
                Some(err) => check.then_err(err),
                None => check,
            }
        }
        "conditional_at_least_one_of" => {
            let check = Check::conditional_at_least_one_of(
                text("if_field").unwrap(),
                |f| rules(f, &v["if_match"]),
                texts(&v["then_at_least_one_of"]),
            );
            match text("then_err") {
                Some(err) => check.then_err(err),
                None => check,
            }
        }
        other => panic!("check {other}"),
    }
}

fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(name, value)| !(name.starts_with("x-") || *name == "description" && value.is_string()))
                .map(|(name, value)| (name.clone(), bare(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(bare).collect()),
        other => other.clone(),
    }
}

fn references() -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plugins"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn plugin(reference: &Value) -> PluginSchema {
    let find = |name: &str| {
        reference["schema"]["fields"].as_array().unwrap().iter().find_map(|entry| entry.get(name)).cloned()
    };
    let refused = |name: &str| find(name).is_some_and(|field| field["eq"].is_null());
    let protocols = find("protocols").unwrap();
    let names = |v: &Value| -> Vec<&'static str> { texts(v).iter().map(|text| leak(text)).collect() };
    let mut schema =
        PluginSchema::with_config(reference["name"].as_str().unwrap().to_owned(), record(&find("config").unwrap()))
            .protocols(&names(&protocols["elements"]["one_of"]))
            .default_protocols(&names(&protocols["default"]))
            .scopes(Scopes {
                service: !refused("service"),
                route: !refused("route"),
                consumer: !refused("consumer"),
                consumer_group: false,
            });
    for entry in reference["schema"]["entity_checks"].as_array().unwrap() {
        schema = schema.check(check(entry));
    }
    schema
}

fn definitions() -> Definitions {
    let plugins: PluginSchemas = references().iter().map(plugin).collect();
    Definitions::new(plugins, VaultSchemas::default(), Flavor::TraditionalCompatible, true)
}

#[test]
fn plugins_describe_themselves_as_the_reference_does() {
    let definitions = definitions();
    for reference in references() {
        let name = reference["name"].as_str().unwrap();
        let described = bare(&definitions.describe_plugin(name).unwrap());
        let expected = bare(&reference["schema"]);
        for entry in expected["fields"].as_array().unwrap() {
            let own = described["fields"].as_array().unwrap();
            assert!(own.contains(entry), "{name}:\n{entry}\nnot in\n{}", described["fields"]);
        }
        assert_eq!(
            described["fields"].as_array().unwrap().len(),
            expected["fields"].as_array().unwrap().len(),
            "{name}"
        );
        assert_eq!(described["entity_checks"], expected["entity_checks"], "{name}");
    }
}

/// Calls whose outcome comes from functions of the plugins.
const FUNCTIONS: [&str; 27] = [
    "The limit for",
    "sync_rate",
    "the limit for",
    "message cannot be",
    "content_type requires",
    "echo cannot",
    "is not a valid header",
    "is not a valid regex",
    "at least one of these fields must be true",
    "specifying both",
    "Error parsing function",
    "error parsing pre-function",
    "repeated tags",
    "proxy_url scheme",
    "cookie_",
    "resource_attributes",
    "terms of service",
    "namespace",
    "invalid url",
    "statistics",
    "wasm",
    "anthropic does not",
    "$(headers",
    "return (",
    "syntax error",
    "\"traces_endpoint\":\"http",
    "\"endpoint\":",
];

#[test]
fn recorded_calls_for_plugins_come_out_the_same() {
    let examples: Value = serde_json::from_str(include_str!("data/examples.json")).unwrap();
    let by_functions = |input: &Map<String, Value>, example: &Value| {
        let text = format!("{} {}", Value::Object(input.clone()), example["message"]);
        FUNCTIONS.iter().any(|part| text.contains(part))
    };
    let plain: Vec<Value> = examples
        .as_array()
        .unwrap()
        .iter()
        .filter(|example| {
            example["entity"] == "plugins" && !by_functions(example["input"].as_object().unwrap(), example)
        })
        .cloned()
        .collect();
    assert!(plain.len() > 120, "{}", plain.len());
    let failures = entities::examples::failures(&definitions(), &Value::Array(plain), |_, _| true);
    assert!(failures.is_empty(), "{} of them differ:\n{}", failures.len(), failures.join("\n"));
}
