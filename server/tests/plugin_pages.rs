//! Every plugin has a page in `docs/plugins`: what it is for, with an example that loads, written by people; its options,
//! written from its definition. `make docs` writes the second part anew.

use config::{Files, Sources, load};
use exchange::PluginType;
use serde_json::Value;
use silverback::node::Offer;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What follows is generated.
const MARK: &str = "<!-- Below: from the plugin's definition, by `make docs`. -->\n";

/// A machine without files.
struct Nothing;

impl Files for Nothing {
    fn exists(&self, _: &Path) -> bool {
        false
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.display().to_string()))
    }
}

/// What a node without a database, or with one, offers.
fn offer(database: &str) -> Offer {
    let sources = Sources { file: None, environment: HashMap::new(), overrides: Vec::new(), files: &Nothing };
    let loaded = load(&sources.with("database", database).with("prefix", "/tmp/plugin-pages"));
    Offer::of(&loaded.expect("settings").settings).expect("plugins that can be loaded")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins")
}

/// `string`, `array of string`, `map of string to integer`.
fn kind(field: &Value) -> String {
    let name = field["type"].as_str().unwrap_or("any");
    match name {
        "array" | "set" => format!("{name} of {}", kind(&field["elements"])),
        "map" => format!("map of {} to {}", kind(&field["keys"]), kind(&field["values"])),
        name => name.to_owned(),
    }
}

/// What values it takes, beyond its type.
fn rules(field: &Value) -> Vec<String> {
    let list = |values: &Value| {
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| format!("`{}`", plain(value))).collect::<Vec<_>>().join(", ")
    };
    let mut told = Vec::new();
    if field["required"] == true && field.get("default").is_none() && field["type"] != "record" {
        told.push("required".to_owned());
    }
    for place in [field, &field["elements"], &field["values"]] {
        if place["one_of"].is_array() {
            told.push(format!("one of {}", list(&place["one_of"])));
        }
        if let Some([low, high]) = place["between"].as_array().map(Vec::as_slice) {
            told.push(format!("{low} … {high}"));
        }
        if !place["gt"].is_null() {
            told.push(format!("greater than {}", place["gt"]));
        }
    }
    for (flag, text) in [("referenceable", "may be `{vault://…}`"), ("encrypted", "a secret")] {
        if field[flag] == true {
            told.push(text.to_owned());
        }
    }
    if let Some(message) = field["deprecation"]["message"].as_str() {
        told.push(message.replace('|', "\\|"));
    }
    told
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A row for each field, those of records below them.
fn rows(fields: &Value, path: &str, out: &mut String) {
    for field in fields.as_array().into_iter().flatten() {
        for (name, field) in field.as_object().into_iter().flatten() {
            let path = format!("{path}{name}");
            // A secret that is not given is made anew by each node.
            let default = match field.get("default") {
                Some(_) if field["encrypted"] == true => "random".to_owned(),
                Some(value) => format!("`{}`", plain(value)),
                None => String::new(),
            };
            let mut about = vec![field["description"].as_str().unwrap_or_default().replace('|', "\\|")];
            about.extend(rules(field));
            about.retain(|text| !text.is_empty());
            let _ = writeln!(
                out,
                "| `{path}` | {} | {} | {} |",
                kind(field),
                default.replace('|', "\\|"),
                about.iter().map(|text| text.trim_end_matches('.')).collect::<Vec<_>>().join("; ")
            );
            let (inner, path) = match field["type"].as_str() {
                Some("array" | "set") => (&field["elements"], format!("{path}[].")),
                Some("map") => (&field["values"], format!("{path}.*.")),
                _ => (field, format!("{path}.")),
            };
            rows(&inner["fields"], &path, out);
            rows(&inner["shorthand_fields"], &path, out);
        }
    }
}

/// The generated part of a page.
fn reference(plugin: &PluginType) -> String {
    let schema = &plugin.schema;
    let places = [
        ("Services", schema.scopes.service),
        ("Routes", schema.scopes.route),
        ("Consumers", schema.scopes.consumer),
        ("Consumer Groups", schema.scopes.consumer_group),
    ];
    let places: Vec<_> = places.iter().filter_map(|(name, allowed)| allowed.then_some(*name)).collect();
    let places = if places.is_empty() { String::new() } else { format!(" and at {}", places.join(", ")) };
    let mut out = String::new();
    let _ = writeln!(out, "\nPriority {}; for {}; globally{places}.\n", schema.priority, schema.protocols.join(", "));
    let mut table = String::new();
    let described = schema.config.describe();
    rows(&described["fields"], "", &mut table);
    rows(&schema.config.describe_shorthands(), "", &mut table);
    if table.is_empty() {
        out.push_str("It has no options.\n");
    } else {
        let _ = write!(out, "| option of `config` | type | default | |\n| --- | --- | --- | --- |\n{table}");
    }
    out
}

#[test]
fn every_plugin_has_a_page_that_fits_its_definition() {
    let write = std::env::var_os("WRITE_PAGES").is_some();
    let (database, declarative) = (offer("sqlite"), offer("off"));
    let mut wrong = Vec::new();
    for plugin in database.registry.iter() {
        let name = plugin.name;
        let path = folder().join(format!("{name}.md"));
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let (told, generated) = page.split_once(MARK).unwrap_or((&page, ""));
        let expected = reference(plugin);
        if write {
            std::fs::write(&path, format!("{told}{MARK}{expected}")).expect("the page is written");
        } else if generated != expected {
            wrong.push(format!("docs/plugins/{name}.md: its options are not those of the definition; `make docs`"));
        }
        let Some(example) = told.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()) else {
            wrong.push(format!("docs/plugins/{name}.md: says nothing, or has no example in ```yaml"));
            continue;
        };
        if !example.contains(&format!("name: {name}\n")) {
            wrong.push(format!("docs/plugins/{name}.md: its example does not use it"));
        }
        let document = format!("_format_version: \"3.0\"\n{example}");
        let loaded = declarative::parse(&document)
            .and_then(|value| declarative::load(&value, &declarative.kinds, 1_750_000_000.0));
        if let Err(invalid) = loaded {
            wrong.push(format!("docs/plugins/{name}.md: its example does not load:\n{}", invalid.tree()));
        }
    }
    let pages = std::fs::read_dir(folder()).expect("docs/plugins").flatten();
    for page in pages.filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned)) {
        if page != "README" && !database.registry.iter().any(|plugin| *plugin.name == *page) {
            wrong.push(format!("docs/plugins/{page}.md: there is no such plugin"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
