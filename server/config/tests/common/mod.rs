//! Files that exist only in a test.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use config::{Files, Loaded, Problems, Sources, load};
use serde_json::Value;

#[derive(Debug, Default)]
pub struct Memory(pub HashMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|t| t.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    value.as_object().map(|o| o.iter().map(|(k, v)| (k.clone(), text(v))).collect()).unwrap_or_default()
}

/// Loads what a case describes: `file`, `conf`, `env`, `files`, `overrides`.
pub fn load_case(case: &Value) -> Result<Loaded, Problems> {
    let mut files = Memory(pairs(&case["files"]).into_iter().map(|(k, v)| (k.into(), v)).collect());
    if let Some(text) = case["file"].as_str() {
        files.0.insert("/etc/kong/kong.conf".into(), text.to_owned());
    }
    load(&Sources {
        file: case["conf"].as_str().map(PathBuf::from),
        environment: pairs(&case["env"]).into_iter().collect(),
        overrides: pairs(&case["overrides"]),
        files: &files,
    })
}

pub fn env(variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(&Sources {
        file: None,
        environment: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        overrides: Vec::new(),
        files: &Memory::default(),
    })
}

pub fn data(name: &str) -> Value {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("test data")).expect("JSON")
}
