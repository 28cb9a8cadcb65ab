//! Every description the gateway has, through the engine: render, set, read back; nothing is lost.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::*;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../entities/tests/data")
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a readable file")).expect("JSON")
}

fn files(folder: &str) -> Vec<(String, Value)> {
    let mut list: Vec<(String, Value)> = std::fs::read_dir(data().join(folder))
        .expect("a folder of descriptions")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), read(&path)))
        .collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list
}

/// Name, raw description (for plugins: `all` and `own` merged as the page does), fields.
fn forms() -> Vec<(String, Value, Vec<Field>)> {
    let entities = files("schemas");
    let all = entities.iter().find(|(name, _)| name == "plugins").map(|(_, all)| all.clone()).expect("plugins");
    // What the gateway adds to Kong's.
    let beyond = files("beyond");
    let whole = |(name, mut description): (String, Value)| {
        let more = beyond.iter().find(|(of, _)| *of == name).and_then(|(_, more)| more["fields"].as_array());
        if let (Some(fields), Some(more)) = (description["fields"].as_array_mut(), more) {
            fields.extend(more.iter().cloned());
        }
        (name, description)
    };
    let mut forms: Vec<(String, Value, Vec<Field>)> = entities
        .into_iter()
        .map(whole)
        .filter(|(_, d)| d["fields"].is_array())
        .map(|(n, d)| (n, d.clone(), fields(&d)))
        .collect();
    for (name, file) in files("plugins") {
        let own = file["schema"].clone();
        let list = plugin_fields(&all, &own);
        forms.push((format!("plugins/{name}"), own, list));
    }
    assert!(forms.len() > 60, "{}", forms.len());
    forms
}

/// Every field of a description that people may write, with its path through records.
fn described(description: &Value, path: &Path, found: &mut Vec<(Path, Value)>) {
    for (name, of) in description["fields"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten() {
        let server = of["auto"] == true && (of["uuid"] == true || of["timestamp"] == true);
        if server || of.get("eq").is_some_and(Value::is_null) {
            continue;
        }
        let path = path.key(name);
        found.push((path.clone(), of.clone()));
        if of["type"] == "record" {
            described(of, &path, found);
        }
    }
}

fn leaves(fields: &[Field], path: &Path, found: &mut Vec<(Path, Field)>) {
    for field in fields {
        let path = path.key(&field.name);
        match &field.kind {
            Kind::Record(members) => leaves(members, &path, found),
            _ => found.push((path, field.clone())),
        }
    }
}

fn at<'f>(fields: &'f [Field], path: &Path) -> Option<&'f Field> {
    let mut found = None;
    let mut level = fields;
    for step in path.steps() {
        let Step::Key(name) = step else { return None };
        let field = find(level, name)?;
        found = Some(field);
        level = field.members();
    }
    found
}

/// Sets a field the way its control does, and says what the value must be then.
fn set(draft: &mut Draft, path: &Path, field: &Field) -> Value {
    match &field.kind {
        Kind::Text { .. } => {
            draft.enter(path, field, "some text");
            json!("some text")
        }
        Kind::Choice(options) => {
            let last = options.last().expect("an option");
            draft.enter(path, field, &plain(last));
            last.clone()
        }
        Kind::Number { integer } => {
            let text = if *integer { "12345" } else { "0.25" };
            draft.enter(path, field, text);
            serde_json::from_str(text).expect("a number")
        }
        Kind::Boolean => {
            draft.set(path, json!(true));
            json!(true)
        }
        Kind::Choices(options) => {
            draft.set(path, json!([]));
            for option in options {
                draft.choose(path, field, option, true);
            }
            Value::Array(options.clone())
        }
        Kind::Tokens(token) => {
            draft.set(path, json!([]));
            for text in ["7", "8"] {
                draft.push_token(path, field, *token, text);
            }
            if *token == Token::Text { json!(["7", "8"]) } else { json!([7, 8]) }
        }
        Kind::List(element) => {
            draft.set(path, json!([]));
            draft.push(path, field, blank(element));
            json!([fill(draft, &path.index(0), element)])
        }
        Kind::Map(element) => {
            let key = "X-Some.key";
            draft.set(path, json!({ key: blank(element) }));
            json!({ key: fill(draft, &path.key(key), element) })
        }
        Kind::Record(_) => fill(draft, path, field),
        Kind::Foreign(_) => {
            let id = "11111111-2222-3333-4444-555555555555";
            draft.enter(path, field, id);
            json!({ "id": id })
        }
        Kind::Json => {
            draft.enter(path, field, r#"{"a":[1,null]}"#);
            json!({"a": [1, null]})
        }
    }
}

fn blank(element: &Field) -> Value {
    if element.members().is_empty() { Value::Null } else { json!({}) }
}

fn fill(draft: &mut Draft, path: &Path, field: &Field) -> Value {
    match &field.kind {
        Kind::Record(members) => {
            let mut record = Map::new();
            // A record that describes no field has no control.
            let empty = Kind::Record(Vec::new());
            for member in members.iter().filter(|member| member.kind != empty) {
                record.insert(member.name.clone(), set(draft, &path.key(&member.name), member));
            }
            Value::Object(record)
        }
        _ => set(draft, path, field),
    }
}

#[test]
fn every_described_field_is_in_the_form() {
    for (name, description, fields) in forms() {
        let mut raw = Vec::new();
        described(&description, &Path::default(), &mut raw);
        for (path, of) in raw {
            if name.starts_with("plugins/") && path == Path::default().key("name") {
                continue;
            }
            let field = at(&fields, &path).unwrap_or_else(|| panic!("{name}: {path:?} has no control"));
            let simple = of["type"].as_str().unwrap_or_default();
            let fits = match simple {
                "string" => matches!(field.kind, Kind::Text { .. } | Kind::Choice(_)),
                "integer" | "number" => matches!(field.kind, Kind::Number { .. } | Kind::Choice(_)),
                "boolean" => field.kind == Kind::Boolean,
                "array" | "set" => matches!(field.kind, Kind::Tokens(_) | Kind::Choices(_) | Kind::List(_)),
                "map" => matches!(field.kind, Kind::Map(_)),
                "record" => matches!(field.kind, Kind::Record(_) | Kind::Json),
                "foreign" => matches!(field.kind, Kind::Foreign(_)),
                _ => field.kind == Kind::Json,
            };
            assert!(fits, "{name}: {path:?} is {:?}", field.kind);
            assert_eq!(field.required, of["required"] == true, "{name}: {path:?}");
        }
    }
}

#[test]
fn what_is_set_is_read_back_and_nothing_else_changes() {
    let mut count = 0;
    for (name, _, fields) in forms() {
        let mut list = Vec::new();
        leaves(&fields, &Path::default(), &mut list);
        for (path, field) in list {
            let mut original = json!({"id": "1", "unknown": {"kept": [1]}});
            if find(&fields, "config").is_some_and(|config| !config.members().is_empty()) {
                original["config"] = json!({"unknown": "kept"});
            }
            let mut draft = Draft::edit(original.clone());
            let expected = set(&mut draft, &path, &field);
            assert_eq!(draft.value(&path), Some(&expected), "{name}: {path:?}");
            let changed = Value::Object(draft.changes(&fields));
            let mut only = Value::Object(Map::new());
            path.put(&mut only, expected.clone());
            // A record that was not there at all is sent with all that was set in it: the same thing here.
            assert_eq!(changed, only, "{name}: {path:?}");
            // What a text control shows gives the same value again.
            if matches!(field.kind, Kind::Text { .. } | Kind::Choice(_) | Kind::Number { .. } | Kind::Json) {
                let text = draft.text(&path, &field);
                draft.enter(&path, &field, &text);
                assert_eq!(draft.value(&path), Some(&expected), "{name}: {path:?}");
            }
            draft.unset(&path);
            assert_eq!(draft.current(), &original, "{name}: {path:?}");
            assert!(!draft.is_dirty(), "{name}: {path:?}");
            count += 1;
        }
    }
    assert!(count > 800, "{count}");
}

#[test]
fn a_new_entity_holds_all_that_was_set() {
    for (name, _, fields) in forms() {
        let mut draft = Draft::create(Map::new());
        let root = Field::read("root", &json!({"type": "record", "fields": []}));
        let whole = fill(&mut draft, &Path::default(), &Field { kind: Kind::Record(fields.clone()), ..root });
        assert_eq!(draft.current(), &whole, "{name}");
        assert_eq!(Value::Object(draft.changes(&fields)), whole, "{name}");
    }
}

#[test]
fn what_the_server_gives_is_no_change_and_no_problem() {
    let forms = forms();
    let fields_of = |name: &str| forms.iter().find(|(form, ..)| form == name).map(|(_, _, fields)| fields);
    let mut count = 0;
    for example in read(&data().join("examples.json")).as_array().into_iter().flatten() {
        let entity = example["entity"].as_str().unwrap_or_default();
        let plugin = example["input"]["name"].as_str().unwrap_or_default();
        let name = match entity {
            "plugins" => format!("plugins/{plugin}"),
            "routes" => "routes.traditional_compatible".to_owned(),
            other => other.to_owned(),
        };
        let Some(fields) = fields_of(&name) else { continue };
        if let Some(result) = example.get("result") {
            let draft = Draft::edit(result.clone());
            assert!(draft.changes(fields).is_empty() && !draft.is_dirty());
            let problems = problems(&draft, fields);
            assert!(problems.is_empty(), "{name}: {:?} in {result}", problems.all());
            assert!(
                rows(result, fields).len()
                    >= result
                        .as_object()
                        .map_or(0, |m| m.values().filter(|v| !v.is_null() && v != &&json!({})).count())
            );
            count += 1;
        } else {
            let errors = place(example, fields);
            assert!(!errors.is_empty(), "{name}: {example}");
            for (path, message) in errors.all() {
                assert!(!message.is_empty(), "{name}: {path:?}");
            }
            count += 1;
        }
    }
    assert!(count > 250, "{count}");
}
