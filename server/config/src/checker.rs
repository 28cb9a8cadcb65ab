//! Typed look-ups of values that note every problem and go on, so that all are told at once.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::Files;
use crate::problem::{Notice, Problem};
use crate::secret::Secret;
use crate::value::Value;
use crate::values::Values;
use crate::{table, units};

pub(crate) struct Checker<'a> {
    pub values: &'a Values,
    pub files: &'a dyn Files,
    pub problems: Vec<Problem>,
    pub notices: Vec<Notice>,
}

impl<'a> Checker<'a> {
    pub fn new(values: &'a Values, files: &'a dyn Files) -> Self {
        Self { values, files, problems: Vec::new(), notices: Vec::new() }
    }

    pub fn wrong(&mut self, name: &str, message: impl Into<String>, hint: &str) {
        self.problems.push(Problem {
            property: name.to_owned(),
            origin: self.values.origin(name),
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        });
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.values.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn string(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    pub fn optional(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub fn flag(&self, name: &str) -> bool {
        match self.values.value(name) {
            Value::Boolean(on) => *on,
            Value::Text(text) => text == "on",
            _ => false,
        }
    }

    pub fn list(&self, name: &str) -> &'a [String] {
        match self.values.value(name) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn owned_list(&self, name: &str) -> Vec<String> {
        self.list(name).to_vec()
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        match self.values.value(name) {
            Value::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// A whole number within bounds; `rule` ends Kong's message, `<name> <rule>`.
    pub fn optional_integer(&mut self, name: &str, bounds: RangeInclusive<u64>, rule: &str) -> Option<u64> {
        let number = self.number(name)?;
        if number.fract() == 0.0 && number >= *bounds.start() as f64 && number <= *bounds.end() as f64 {
            return Some(number as u64);
        }
        self.wrong(name, format!("{name} {rule}"), "");
        None
    }

    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<u64>, rule: &str) -> u64 {
        self.optional_integer(name, bounds, rule).unwrap_or_default()
    }

    /// A whole number from 0.
    pub fn count(&mut self, name: &str) -> u64 {
        self.integer(name, 0..=(1 << 53), "must be 0 or greater")
    }

    /// A port.
    pub fn port(&mut self, name: &str) -> u16 {
        self.integer(name, 0..=65535, "must be a port between 0 and 65535") as u16
    }

    /// A number of seconds, fractions allowed.
    pub fn optional_seconds(&mut self, name: &str) -> Option<Duration> {
        let number = self.number(name)?;
        match Duration::try_from_secs_f64(number) {
            Ok(duration) => Some(duration),
            Err(_) => {
                self.wrong(name, format!("{name} must be 0 or greater"), "a number of seconds");
                None
            }
        }
    }

    pub fn seconds(&mut self, name: &str) -> Duration {
        self.optional_seconds(name).unwrap_or_default()
    }

    pub fn optional_milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.optional_integer(name, 0..=(1 << 40), "must be a number of milliseconds, 0 or greater")
            .map(Duration::from_millis)
    }

    pub fn milliseconds(&mut self, name: &str) -> Duration {
        self.optional_milliseconds(name).unwrap_or_default()
    }

    pub fn size(&mut self, name: &str, default: u64) -> u64 {
        let Some(text) = self.text(name) else { return default };
        units::size(text).unwrap_or_else(|| {
            self.wrong(name, invalid(name, text), "a size in bytes, or with k, m or g: 512k, 10m, 1g");
            default
        })
    }

    pub fn time(&mut self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.text(name) else { return default };
        units::time(text).unwrap_or_else(|| {
            self.wrong(name, invalid(name, text), "a time in seconds, or with ms, s, m, h or d: 500ms, 60s, 1h30m");
            default
        })
    }

    /// `on` or `off` of a directive that no table lists.
    pub fn switch(&mut self, name: &str, default: bool) -> bool {
        match self.text(name) {
            None => default,
            Some("on" | "true") => true,
            Some("off" | "false") => false,
            Some(other) => {
                self.wrong(name, invalid(name, other), "on or off");
                default
            }
        }
    }

    /// One of an enumeration; a value that is none of them was told when it was parsed.
    pub fn choice<T: Copy>(&self, name: &str, options: &[(&str, T)], default: T) -> T {
        let text = self.text(name);
        options.iter().find(|(word, _)| Some(*word) == text).map_or(default, |(_, value)| *value)
    }

    /// Name servers: `<ip>` or `<ip>:<port>`, port 53 where none is given.
    pub fn name_servers(&mut self, name: &str) -> Vec<std::net::SocketAddr> {
        let mut servers = Vec::new();
        for entry in self.list(name) {
            let address =
                entry.parse().ok().or_else(|| entry.parse::<IpAddr>().ok().map(|ip| (ip, 53).into())).or_else(|| {
                    let inner = entry.strip_prefix('[')?.strip_suffix(']')?;
                    inner.parse::<IpAddr>().ok().map(|ip| (ip, 53).into())
                });
            match address {
                Some(address) => servers.push(address),
                None => {
                    let message = format!(
                        "{name} must be a comma separated list in the form of <IPv4/6> or <IPv4/6>:port, got '{entry}'"
                    );
                    self.wrong(name, message, "such as 10.0.0.2, 10.0.0.3:5353 or [fd00::2]:53");
                }
            }
        }
        servers
    }

    /// A file that must be readable; the path, where it is.
    pub fn readable(&mut self, name: &str) -> Option<PathBuf> {
        let path = self.path(name)?;
        if self.files.exists(&path) {
            return Some(path);
        }
        self.wrong(name, format!("{name}: no such file at {}", path.display()), "the path of a file that can be read");
        None
    }

    /// A JSON object in a text.
    pub fn json(&mut self, name: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let text = self.text(name)?;
        match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(map)) => return Some(map),
            Ok(_) => self.wrong(name, format!("{name} must be a JSON object"), ""),
            Err(error) => self.wrong(name, format!("{name} must be valid json: {error}"), "a JSON object on one line"),
        }
        None
    }

    /// Words of a list that must be among some, case ignored.
    pub fn words<T: Copy>(&mut self, name: &str, options: &[(&str, T)]) -> Vec<T> {
        let mut found = Vec::new();
        for entry in self.list(name) {
            match options.iter().find(|(word, _)| word.eq_ignore_ascii_case(entry)) {
                Some((_, value)) => found.push(*value),
                None => {
                    let known: Vec<&str> = options.iter().map(|(word, _)| *word).collect();
                    self.wrong(
                        name,
                        format!("{name}: invalid entry '{entry}'"),
                        &format!("any of {}", known.join(", ")),
                    );
                }
            }
        }
        found
    }
}

/// Kong's words for a value outside an enumeration, without one to print.
pub(crate) fn invalid(name: &str, value: &str) -> String {
    let shown = if table::find(name).is_some_and(|p| p.sensitive) { crate::secret::MASK } else { value };
    format!("{name} has an invalid value: '{shown}'")
}

/// A path below another, unless absolute.
pub(crate) fn under(prefix: &Path, path: impl AsRef<Path>) -> PathBuf {
    prefix.join(path)
}
