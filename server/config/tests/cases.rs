//! Files and environments with what comes of them, as data.

mod common;

use common::{data, load_case};

/// Each expected text begins a text that was told, and nothing else was told.
fn assert_texts(name: &str, expected: &serde_json::Value, told: &[String]) {
    let expected: Vec<&str> = expected.as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
    for text in &expected {
        assert!(told.iter().any(|t| t.starts_with(text)), "{name}: {text}\nis not among {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{name}: {told:#?}");
}

#[test]
fn refused_configurations_tell_every_problem() {
    for case in data("refused.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let problems = load_case(case).map(|_| ()).expect_err(name);
        let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        assert_texts(name, &case["problems"], &told);
    }
}

#[test]
fn accepted_configurations() {
    for case in data("accepted.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let loaded = load_case(case).unwrap_or_else(|p| panic!("{name}: {p}"));
        let shown = loaded.configuration([]);
        for (property, expected) in case["shown"].as_object().into_iter().flatten() {
            let null = serde_json::Value::Null;
            assert_eq!(shown.get(property).unwrap_or(&null), expected, "{name}: {property}");
        }
        if case["notices"].is_array() {
            let told: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
            assert_texts(name, &case["notices"], &told);
        }
    }
}
