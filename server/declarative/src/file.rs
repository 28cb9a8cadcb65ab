//! Configurations in files and in settings.

use crate::invalid::Invalid;
use crate::text;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why a node cannot start with the configuration it was given, or a check of it fails.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file's name ends in something else than `.yaml`, `.yml` or `.json`.
    #[error("error parsing declarative config file {}:\nunknown file type: {}. (Accepted types: json, yaml)", .0.display(), .0.display())]
    Kind(PathBuf),
    /// The file cannot be read.
    #[error("error parsing declarative config file {}:\n{reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file's content is wrong.
    #[error("error parsing declarative config file {}:\n{}", .path.display(), .invalid.tree())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        invalid: Invalid,
    },
    /// The content of `declarative_config_string` is wrong.
    #[error("error parsing declarative string:\n{}", .0.tree())]
    String(Invalid),
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `declarative_config`.
    File(PathBuf),
    /// `declarative_config_string`.
    String(String),
}

impl Source {
    /// Reads the text and parses it. The second value is the text's hash.
    ///
    /// # Errors
    /// [`SourceError`] with a sentence for the terminal.
    pub fn read(&self) -> Result<(Value, String), SourceError> {
        let text = match self {
            Source::String(text) => text.clone(),
            Source::File(path) => read_file(path)?,
        };
        let value = text::parse(&text).map_err(|invalid| self.wrong(invalid))?;
        Ok((value, text::hash(text.as_bytes())))
    }

    /// The error that says that this source's content is wrong.
    pub fn wrong(&self, invalid: Invalid) -> SourceError {
        match self {
            Source::File(path) => SourceError::File { path: path.clone(), invalid },
            Source::String(_) => SourceError::String(invalid),
        }
    }
}

fn read_file(path: &Path) -> Result<String, SourceError> {
    let known = path
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| matches!(ending, "yaml" | "yml" | "json"));
    if !known {
        return Err(SourceError::Kind(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(|reason| SourceError::Unreadable { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_say_what_is_wrong_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("ok.yml"), "a: 1").unwrap();
        std::fs::write(path("bad.json"), "{").unwrap();
        let (value, hash) = Source::File(path("ok.yml")).read().unwrap();
        assert_eq!((value["a"].as_i64(), hash.len()), (Some(1), 32));
        for (name, expected) in [
            ("x.txt", "unknown file type: "),
            ("none.yml", "No such file"),
            ("bad.json", "in 'error': failed parsing declarative configuration: "),
        ] {
            let error = Source::File(path(name)).read().unwrap_err().to_string();
            assert!(error.starts_with("error parsing declarative config file ") && error.contains(expected), "{error}");
        }
        let error = Source::String("a: [".into()).read().unwrap_err().to_string();
        assert!(error.starts_with("error parsing declarative string:\n"));
    }
}
