//! The conformance vectors, and the executed values of the reference.

mod support;

use std::path::Path;

use router::expression::{from_route, parse};
use router::{Flavor, RouteDefinition, Router, path, priority};
use serde_json::Value;
use support::{Probe, definition};

fn data(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

#[test]
fn conformance_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance");
    let (mut cases, mut failures) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        for case in data(&format!("conformance/{name}")).as_array().unwrap() {
            cases += 1;
            failures.extend(run(case).into_iter().map(|failure| format!("{name} / {}: {failure}", case["name"])));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 400);
}

fn run(case: &Value) -> Vec<String> {
    let routes = case["routes"].as_array().unwrap();
    let definitions: Vec<RouteDefinition> = routes.iter().map(definition).collect();
    let flavor: Flavor = case["flavor"].as_str().unwrap().parse().unwrap();
    let router = match Router::build(flavor, &definitions) {
        Ok(router) => router,
        Err(errors) => return vec![format!("{errors:?}")],
    };
    let mut failures = Vec::new();
    for request in case["requests"].as_array().unwrap() {
        let probe = Probe::from_case(request);
        let found = router.find(&probe);
        let name = found.map(|found| routes[found.route]["name"].as_str().unwrap());
        if name != request["expect"].as_str() {
            failures.push(format!("{request}: matched {name:?}"));
            continue;
        }
        if let (Some(found), Some(expected)) = (found, request["upstream_uri"].as_str()) {
            let service = routes[found.route]["service_path"].as_str().unwrap_or("/");
            let seen = probe.target(router.upstream_path(&found, service.as_bytes(), &probe.path));
            if seen != expected {
                failures.push(format!("{request}: upstream_uri {seen}"));
            }
        }
    }
    failures
}

#[test]
fn translation_and_priorities_of_the_reference() {
    for row in data("router-vectors.json")["routes"].as_array().unwrap() {
        let route = definition(&row["route"]);
        let sorted = |text: &str| {
            let mut conditions: Vec<String> = text.split(" && (").map(str::to_owned).collect();
            conditions.sort();
            conditions
        };
        let text = from_route(&route);
        let expected = row["expression"].as_str().unwrap();
        // The order of headers is not defined.
        if route.headers.len() < 2 {
            assert_eq!(text, expected);
        } else {
            let strip = |text: &str| sorted(&text.replacen('(', " && (", 1));
            assert_eq!(strip(&text), strip(expected));
        }
        parse(&text, route.subsystem()).unwrap();
        let parts = priority::parts(&route);
        assert_eq!(parts.len(), 1, "{route:?}");
        assert_eq!(parts[0].priority.to_string(), row["priority"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn normalisation_of_the_reference() {
    for row in data("router-vectors.json")["normalize"].as_array().unwrap() {
        let (input, expected) = (row["input"].as_str().unwrap(), row["match_path"].as_str().unwrap());
        let seen = path::normalize(input.as_bytes());
        assert_eq!(String::from_utf8_lossy(&seen), expected, "{input}");
        let upstream = path::escape(&seen);
        assert_eq!(String::from_utf8_lossy(&upstream), row["upstream_path"].as_str().unwrap(), "{input}");
    }
}

#[test]
fn reports_on_invalid_expressions() {
    let mut failures = Vec::new();
    for row in data("expression-reports.json").as_array().unwrap() {
        let text = row[0].as_str().unwrap();
        let seen = parse(text, router::Subsystem::Http).err();
        // Segment names are checked beyond the grammar.
        if text.contains("segments.x") {
            assert_eq!(seen.as_deref(), Some("illformed http.path.segments.* field"));
        } else if seen.as_deref() != row[1].as_str() {
            failures.push(format!("{text:?}\nexpected {}\nseen     {seen:?}", row[1]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
