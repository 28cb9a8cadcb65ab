//! What plugins want an entry to say: `kong.log.set_serialize_value`.

use super::write::KEYS;
use serde_json::{Map, Value};
use std::cell::{Ref, RefCell};

/// When a value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Whatever is there.
    #[default]
    Set,
    /// Only where nothing is.
    Add,
    /// Only where something is.
    Replace,
}

impl Mode {
    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "set" => Self::Set,
            "add" => Self::Add,
            "replace" => Self::Replace,
            _ => return None,
        })
    }
}

/// Values for the entry of a request. Loggers may add some, too, and later loggers see them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogValues(RefCell<Vec<(String, Mode, Value)>>);

impl LogValues {
    /// Sets the value under a dotted key when the entry is made; null takes away.
    pub fn set(&self, key: impl Into<String>, mode: Mode, value: Value) {
        self.0.borrow_mut().push((key.into(), mode, value));
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.get_mut().clear();
    }

    /// Whether nothing is changed that an entry has by itself.
    pub(super) fn only_adds(&self) -> bool {
        let all = self.0.borrow();
        let plain = |(index, (key, mode, value)): (usize, &(String, Mode, Value))| {
            !key.contains('.')
                && *mode == Mode::Set
                && !value.is_null()
                && !KEYS.contains(&key.as_str())
                && all[..index].iter().all(|(other, ..)| other != key)
        };
        all.iter().enumerate().all(plain)
    }

    /// What is set below a key without dots, as it will stand in the entry.
    pub fn below(&self, key: &str) -> Option<Value> {
        let all = self.0.borrow();
        let mut entry = Map::new();
        let is = |set: &str| set.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        for (set_key, mode, value) in all.iter().filter(|(set_key, ..)| is(set_key)) {
            let _ = set(&mut entry, set_key, *mode, value.clone());
        }
        entry.shift_remove(key)
    }

    /// Keys, modes and values.
    pub(super) fn all(&self) -> Ref<'_, [(String, Mode, Value)]> {
        Ref::map(self.0.borrow(), Vec::as_slice)
    }

    /// Sets them all; one that cannot be is left out.
    pub(super) fn apply(&self, entry: &mut Map<String, Value>) {
        for (key, mode, value) in &*self.0.borrow() {
            let _ = set(entry, key, *mode, value.clone());
        }
    }
}

/// Sets a value under a dotted key: objects on the way are made where they are missing, null takes away.
///
/// # Errors
/// Where something on the way is no object; the sentence is Kong's.
pub fn set(entry: &mut Map<String, Value>, key: &str, mode: Mode, value: Value) -> Result<(), String> {
    let mut words = key.split('.').peekable();
    let mut at = entry;
    while let Some(word) = words.next() {
        if words.peek().is_none() {
            let there = at.get(word).is_some_and(|value| !value.is_null());
            match mode {
                Mode::Add if there => {}
                Mode::Replace if !there => {}
                _ if value.is_null() => drop(at.remove(word)),
                _ => drop(at.insert(word.to_owned(), value)),
            }
            return Ok(());
        }
        if at.get(word).is_none_or(Value::is_null) {
            if mode == Mode::Replace || value.is_null() {
                return Ok(());
            }
            at.insert(word.to_owned(), Value::Object(Map::new()));
        }
        at = match at.get_mut(word) {
            Some(Value::Object(inner)) => inner,
            other => {
                let shown = other.map(|value| value.to_string()).unwrap_or_default();
                return Err(format!(
                    "The key '{key}' could not be used as a serialize value. Subkey '{word}' is not a table. It's {}",
                    shown.trim_matches('"')
                ));
            }
        };
    }
    Ok(())
}
