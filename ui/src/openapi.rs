//! An OpenAPI document as a Service and its Routes. Pure.

use serde_json::{Value, json};

/// What is proposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// As `POST /services` takes it.
    pub service: Value,
    /// As `POST /services/{service}/routes` takes them.
    pub routes: Vec<Value>,
}

/// Methods that operations have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What the document says of an API.
#[derive(Debug, Default, PartialEq)]
struct Read {
    title: String,
    server: String,
    /// Paths with their methods.
    paths: Vec<(String, Vec<String>)>,
}

/// Reads a document in JSON, or in YAML in block style; none where it describes no path.
pub fn proposal(text: &str) -> Option<Proposal> {
    let read = match serde_json::from_str::<Value>(text) {
        Ok(document) => of_json(&document),
        Err(_) => of_yaml(text),
    };
    if read.paths.is_empty() {
        return None;
    }
    let name = slug(if read.title.is_empty() { "api" } else { &read.title });
    let url = if read.server.contains("://") { read.server } else { String::new() };
    let routes = read.paths.iter().map(|(path, methods)| {
        let methods: Vec<String> = methods.iter().map(|method| method.to_uppercase()).collect();
        let route = slug(&format!("{name} {path}"));
        json!({ "name": route, "paths": [expression(path)], "methods": methods, "strip_path": false })
    });
    let mut routes: Vec<Value> = routes.collect();
    // Two paths may come to the same name.
    for at in 1..routes.len() {
        let same = routes[..at].iter().filter(|one| one["name"] == routes[at]["name"]).count();
        if same > 0 {
            routes[at]["name"] = format!("{}-{}", routes[at]["name"].as_str().unwrap_or_default(), at + 1).into();
        }
    }
    Some(Proposal { service: json!({ "name": name, "url": url }), routes })
}

/// The path of a Route: what stands in braces is any part of a path.
fn expression(path: &str) -> String {
    let mut out = "~".to_owned();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out += &literal(before);
        out += "[^/]+";
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + &literal(rest) + "$"
}

fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A name of letters, digits and dashes.
fn slug(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

fn of_json(document: &Value) -> Read {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let paths = document["paths"].as_object().into_iter().flatten().map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        (path.clone(), methods.filter(|name| METHODS.contains(&name.as_str())).collect())
    });
    // Of version 2 the parts of the address stand apart.
    let server = match document["servers"][0]["url"].as_str() {
        Some(url) => url.to_owned(),
        None => match document["host"].as_str() {
            Some(host) => {
                let scheme = document["schemes"][0].as_str().unwrap_or("https");
                format!("{scheme}://{host}{}", text(&document["basePath"]))
            }
            None => String::new(),
        },
    };
    Read { title: text(&document["info"]["title"]), server, paths: paths.collect() }
}

/// Without a reader of all of YAML: what is needed stands at the beginning of lines, in block style.
fn of_yaml(text: &str) -> Read {
    let mut read = Read::default();
    let mut section = String::new();
    let (mut path_at, mut method_at) = (None, None);
    for line in text.lines() {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - content.len();
        let (key, value) = entry(content);
        if indent == 0 && !content.starts_with('-') {
            section = key;
            (path_at, method_at) = (None, None);
            continue;
        }
        match section.as_str() {
            "info" if key == "title" && read.title.is_empty() => read.title = value,
            "servers" if key == "url" && read.server.is_empty() => read.server = value,
            "paths" => {
                let at = *path_at.get_or_insert(indent);
                if indent == at && key.starts_with('/') {
                    read.paths.push((key, Vec::new()));
                    method_at = None;
                } else if indent > at
                    && let Some((_, methods)) = read.paths.last_mut()
                {
                    let at = *method_at.get_or_insert(indent);
                    if indent == at && METHODS.contains(&key.as_str()) {
                        methods.push(key);
                    }
                }
            }
            _ => {}
        }
    }
    read
}

/// A key and its value, without quotes; of a list's entry the first.
fn entry(content: &str) -> (String, String) {
    let content = content.trim_start_matches("- ").trim();
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    // A path in quotes may hold a colon.
    let end = match content.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => content[1..].find(quote).map_or(content.len(), |at| at + 2),
        None => content.find(": ").unwrap_or_else(|| content.trim_end_matches(':').len()),
    };
    let (key, value) = content.split_at(end.min(content.len()));
    let value = value.trim_start_matches(':').trim();
    // What is said behind a value.
    let value = match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => value[1..].split(quote).next(),
        None => value.split(" #").next(),
    };
    (bare(key), bare(value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "openapi: 3.0.0\ninfo:\n  title: \"Pet Store\" # the name\n  version: 1.0.0\n\
        servers:\n  - url: https://pets.example/v1\n  - url: https://other.example\npaths:\n  # all\n  /pets:\n    \
        parameters:\n      - name: get\n    get:\n      responses:\n        '200':\n          description: get\n    post:\n      \
        summary: x\n  '/pets/{petId}.json':\n    get: {}\ncomponents:\n  schemas:\n    /none:\n      get: 1\n";

    #[test]
    fn both_notations_say_the_same() {
        let json = json!({
            "openapi": "3.0.0",
            "info": {"title": "Pet Store"},
            "servers": [{"url": "https://pets.example/v1"}],
            "paths": {"/pets": {"parameters": [], "get": {}, "post": {}}, "/pets/{petId}.json": {"get": {}}},
        });
        let expected = Proposal {
            service: json!({"name": "pet-store", "url": "https://pets.example/v1"}),
            routes: vec![
                json!({"name": "pet-store-pets", "paths": ["~/pets$"], "methods": ["GET", "POST"], "strip_path": false}),
                json!({
                    "name": "pet-store-pets-petid-json", "paths": ["~/pets/[^/]+\\.json$"], "methods": ["GET"],
                    "strip_path": false,
                }),
            ],
        };
        assert_eq!(proposal(&json.to_string()), Some(expected.clone()));
        assert_eq!(proposal(YAML), Some(expected));
    }

    #[test]
    fn what_describes_no_path_is_nothing() {
        for text in ["", "{}", "[]", "paths:\n", "hello: world", "{\"paths\": {}}", "\"", "- '"] {
            assert_eq!(proposal(text), None, "{text}");
        }
    }

    #[test]
    fn names_differ() {
        let document =
            json!({"host": "a.example", "basePath": "/v2", "paths": {"/a/{b}": {"get": {}}, "/a/b": {"get": {}}}});
        let proposal = proposal(&document.to_string()).expect("a proposal");
        assert_eq!(proposal.service["url"], "https://a.example/v2");
        assert_eq!(
            (&proposal.routes[0]["name"], &proposal.routes[1]["name"]),
            (&json!("api-a-b"), &json!("api-a-b-2"))
        );
    }
}
