//! What was set, by whom: command line over `SILVERBACK_*` over `KONG_*` over the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::files::{Files, reason};
use crate::problem::{Notice, Origin, Problem};
use crate::property::Edition;
use crate::{directive, file, obsolete, table};

/// The files that are looked for where none is named.
pub const DEFAULT_FILES: [&str; 2] = ["/etc/kong/kong.conf", "/etc/kong.conf"];

/// A value somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub text: String,
    pub origin: Origin,
    rank: u8,
}

/// Everything that was set, and what was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub given: IndexMap<String, Given>,
    pub file: Option<PathBuf>,
    pub notices: Vec<Notice>,
    pub problems: Vec<Problem>,
}

const FILE: u8 = 0;
const KONG: u8 = 1;
const SILVERBACK: u8 = 2;
const COMMAND_LINE: u8 = 3;

impl Collected {
    fn set(&mut self, name: &str, text: String, origin: Origin, rank: u8) {
        match self.given.get(name) {
            Some(present) if present.rank > rank => {}
            _ => {
                self.given.insert(name.to_owned(), Given { text, origin, rank });
            }
        }
    }

    fn problem(&mut self, property: &str, origin: Origin, message: String, hint: Option<String>) {
        self.problems.push(Problem { property: property.to_owned(), origin, message, hint });
    }

    /// The file's settings. A file that was named must be there; the default ones need not.
    pub fn read_file(&mut self, named: Option<&Path>, files: &dyn Files) {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match DEFAULT_FILES.iter().map(Path::new).find(|p| files.exists(p)) {
                Some(path) => path.to_owned(),
                None => return,
            },
        };
        match files.read_text(&path) {
            Ok(text) => self.parse_file(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = format!("no file at: {}", path.display());
                self.problem("", Origin::Default, message, None);
            }
            Err(error) => {
                let message = format!("cannot read {}: {}", path.display(), reason(&error));
                self.problem("", Origin::Default, message, None);
            }
        }
        self.file = Some(path);
    }

    fn parse_file(&mut self, path: &Path, text: &str) {
        let (assignments, stray) = file::parse(text);
        for line in stray {
            let what = if line.section {
                "sections are not part of kong.conf; the line is ignored"
            } else {
                "expected name = value; the line is ignored"
            };
            self.notices.push(Notice::warning(format!("{}:{}: {what}", path.display(), line.line)));
        }
        for assignment in assignments {
            let origin = Origin::File { path: path.to_owned(), line: assignment.line };
            let name = assignment.name;
            if let Some(sentence) = obsolete::replacement(name) {
                self.notices
                    .push(Notice::warning(format!("{name} ({origin}) is a name of an older version: {sentence}")));
                continue;
            }
            if !known(name) || table::edition(name) == Some(Edition::Variable) {
                let close = closest(name).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                self.notices
                    .push(Notice::warning(format!("{name} ({origin}) is not a known property and is ignored{close}")));
                continue;
            }
            if let Some(Given { origin: Origin::File { line, .. }, .. }) = self.given.get(name) {
                let text = format!("{name} ({origin}) is set on line {line} already; the last one counts");
                self.notices.push(Notice::warning(text));
            }
            self.set(name, assignment.value, origin, FILE);
        }
    }

    /// `KONG_*` and `SILVERBACK_*`, and the files that `…_FILE` variables name. Unknown variables are ignored, as are
    /// those that Kubernetes makes for services whose name begins with `kong-`.
    pub fn read_environment(&mut self, variables: &HashMap<String, String>, files: &dyn Files) {
        let mut names: Vec<&String> = variables.keys().collect();
        names.sort_unstable();
        for variable in names {
            let value = &variables[variable];
            let (rank, rest) = if let Some(rest) = variable.strip_prefix("SILVERBACK_") {
                (SILVERBACK, rest)
            } else if let Some(rest) = variable.strip_prefix("KONG_") {
                (KONG, rest)
            } else {
                continue;
            };
            if rest.is_empty() || rest.bytes().any(|b| b.is_ascii_lowercase()) {
                continue;
            }
            let name = rest.to_ascii_lowercase();
            if is_service_link(&name, value) {
                if known(&name) {
                    let text = format!("{variable} looks like one Kubernetes makes for a service and is ignored");
                    self.notices.push(Notice::information(text));
                }
                continue;
            }
            if let Some(sentence) = obsolete::replacement(&name) {
                let text = format!("{variable} is a name of an older version: {sentence}");
                self.notices.push(Notice::warning(text));
            } else if known(&name) {
                self.set(&name, value.trim().to_owned(), Origin::Variable(variable.clone()), rank);
            } else if let Some(target) = name.strip_suffix("_file").filter(|n| table::find(n).is_some()) {
                self.read_secret(target, variable, value.trim(), rank, variables, files);
            }
        }
    }

    fn read_secret(
        &mut self,
        name: &str,
        variable: &str,
        value: &str,
        rank: u8,
        variables: &HashMap<String, String>,
        files: &dyn Files,
    ) {
        if value.is_empty() {
            return;
        }
        let direct = variable.strip_suffix("_FILE").unwrap_or(variable);
        if variables.get(direct).is_some_and(|v| !v.is_empty()) {
            let message = format!("both {direct} and {variable} are set (but are exclusive)");
            let origin = Origin::Variable(variable.to_owned());
            return self.problem(name, origin, message, Some("unset one of them".into()));
        }
        let path = PathBuf::from(value);
        let origin = Origin::SecretFile { variable: variable.to_owned(), path: path.clone() };
        match files.read_text(&path) {
            Ok(text) => {
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                self.set(name, text, origin, rank);
            }
            Err(error) => {
                let message = format!("{variable}: cannot read {}: {}", path.display(), reason(&error));
                let hint = format!("{variable} names a file whose content is the value of {name}");
                self.problem(name, Origin::Default, message, Some(hint));
            }
        }
    }

    /// What the command line sets.
    pub fn read_overrides(&mut self, overrides: &[(String, String)]) {
        for (name, text) in overrides {
            if known(name) {
                self.set(name, text.trim().to_owned(), Origin::CommandLine, COMMAND_LINE);
            } else {
                self.problem(name, Origin::CommandLine, format!("{name} is not a known property"), None);
            }
        }
    }

    /// The text somebody wrote for it; an empty one unsets.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|g| g.text.as_str()).filter(|t| !t.is_empty())
    }
}

/// Whether a name is in the table or has a dynamic prefix.
fn known(name: &str) -> bool {
    table::find(name).is_some() || directive::is_dynamic(name)
}

/// Whether a variable is one that Kubernetes makes for each service: `X_SERVICE_HOST`, `X_SERVICE_PORT[_NAME]`,
/// `X_PORT = tcp://…`, `X_PORT_80_TCP[_PROTO|_PORT|_ADDR]`.
fn is_service_link(name: &str, value: &str) -> bool {
    let address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    if address && (name == "port" || name.ends_with("_port")) {
        return true;
    }
    if table::find(name).is_some() {
        return false;
    }
    name.ends_with("service_host")
        || name.contains("service_port")
        || name.split("port_").skip(1).any(|tail| {
            let mut parts = tail.split('_');
            let number = parts.next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            number
                && parts.next().is_some_and(|p| matches!(p, "tcp" | "udp" | "sctp"))
                && parts.next().is_none_or(|p| matches!(p, "proto" | "port" | "addr"))
        })
}

/// The property whose name is nearest, where one is near.
fn closest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if name.len() > 64 {
        return None;
    }
    table::all().map(|(p, _)| (distance(&name, p.name), p.name)).min().filter(|(d, _)| *d <= 2).map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = usize::from(x != *y) + diagonal;
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_told_from_settings() {
        let links = [
            ("port", "tcp://10.0.0.1:80"),
            ("pg_port", "tcp://10.0.0.1:5432"),
            ("proxy_port", "tcp://10.0.0.1:80"),
            ("proxy_port_80_tcp", "tcp://10.0.0.1:80"),
            ("proxy_port_80_tcp_proto", "tcp"),
            ("proxy_port_80_tcp_addr", "10.0.0.1"),
            ("proxy_service_host", "10.0.0.1"),
            ("proxy_service_port_kong_proxy_tls", "443"),
            ("service_host", "10.0.0.1"),
            ("nginx_http_port", "tcp://10.0.0.1:80"),
        ];
        for (name, value) in links {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [("pg_port", "5432"), ("smtp_port", "25"), ("port_maps", "80:8000"), ("proxy_port", "80")]
        {
            assert!(!is_service_link(name, value), "{name}");
        }
    }

    #[test]
    fn nearest_name() {
        assert_eq!(closest("proxy_lisen"), Some("proxy_listen"));
        assert_eq!(closest("proxy-listen"), Some("proxy_listen"));
        assert_eq!(closest("something_else_entirely"), None);
    }
}
