//! The last good configuration, on disk.

use crate::export::{self, Purpose};
use crate::kinds::Kinds;
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use store::View;

/// The file's name under the prefix.
const NAME: &str = "dbless.json";

/// A configuration as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its hash.
    pub hash: String,
    /// Its content; see [`crate::export::document`].
    pub document: Map<String, Value>,
}

impl Kept {
    /// What is stored now, under the hash of the configuration it came from.
    pub fn of(view: &View, kinds: &Kinds, hash: String, now: i64) -> Kept {
        Kept { hash, document: export::document(view, kinds, Purpose::Keep, now) }
    }
}

/// Why the last good configuration was not kept or not found.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} the last good configuration {}: {reason}", .path.display())]
pub struct KeepError {
    what: &'static str,
    path: PathBuf,
    reason: std::io::Error,
}

/// Writes a configuration beside the old one, then puts it in its place. On an error (a full disk) the old one stays.
///
/// # Errors
/// A sentence for the log.
pub fn save(prefix: &Path, kept: &Kept) -> Result<(), KeepError> {
    stage(prefix, kept)?.commit()
}

/// A configuration that lies on disk beside the one that is kept. Dropped without [`Staged::commit`], it is removed.
#[derive(Debug)]
pub struct Staged {
    prefix: PathBuf,
    beside: PathBuf,
}

/// Writes a configuration beside the one that is kept.
///
/// # Errors
/// A sentence for the log.
pub fn stage(prefix: &Path, kept: &Kept) -> Result<Staged, KeepError> {
    let beside = prefix.join(format!(".{NAME}.{}", std::process::id()));
    let staged = Staged { prefix: prefix.to_owned(), beside };
    write(&staged.beside, kept).map_err(|reason| KeepError { what: "write", path: prefix.join(NAME), reason })?;
    Ok(staged)
}

impl Staged {
    /// Puts it in the place of the one that is kept.
    ///
    /// # Errors
    /// A sentence for the log.
    pub fn commit(self) -> Result<(), KeepError> {
        let path = self.prefix.join(NAME);
        let moved = fs::rename(&self.beside, &path).and_then(|()| sync_directory(&self.prefix));
        moved.map_err(|reason| KeepError { what: "write", path, reason })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a commit it is no longer there. What is left of a failed attempt only takes the space that was missing.
        let _ = fs::remove_file(&self.beside);
    }
}

/// What stands in the file.
#[derive(serde::Serialize)]
struct Content<'a> {
    hash: &'a str,
    config: &'a Map<String, Value>,
}

fn write(path: &Path, kept: &Kept) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // It holds credentials.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(path)?);
    serde_json::to_writer(&mut out, &Content { hash: &kept.hash, config: &kept.document })?;
    out.flush()?;
    out.get_ref().sync_all()
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Reads the last good configuration; `None` when none was kept.
///
/// # Errors
/// A sentence for the log, also when the file is damaged.
pub fn load(prefix: &Path) -> Result<Option<Kept>, KeepError> {
    let path = prefix.join(NAME);
    let wrong = |reason| KeepError { what: "read", path: path.clone(), reason };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error)),
    };
    let value: Value = serde_json::from_reader(BufReader::new(file)).map_err(|error| wrong(error.into()))?;
    match (value.get("hash").and_then(Value::as_str), value.get("config").and_then(Value::as_object)) {
        (Some(hash), Some(document)) => Ok(Some(Kept { hash: hash.to_owned(), document: document.clone() })),
        _ => Err(wrong(std::io::Error::new(std::io::ErrorKind::InvalidData, "it has no hash or no content"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(hash: &str) -> Kept {
        Kept { hash: hash.into(), document: Map::from_iter([("services".to_owned(), json!([{"name": hash}]))]) }
    }

    #[test]
    fn the_last_saved_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        save(dir.path(), &kept("one")).unwrap();
        save(dir.path(), &kept("two")).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(kept("two")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_cannot_be_written_or_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = save(&dir.path().join("none"), &kept("x")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the last good configuration ") && error.contains("none"), "{error}");
        for damaged in ["", "{", "[]", "{\"hash\":1}"] {
            fs::write(dir.path().join(NAME), damaged).unwrap();
            assert!(load(dir.path()).unwrap_err().to_string().starts_with("cannot read the last good configuration "));
        }
    }
}
