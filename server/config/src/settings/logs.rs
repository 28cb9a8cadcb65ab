//! Access and error logs: where lines go and what they look like.

use std::path::{Path, PathBuf};

use crate::checker::{Checker, under};

/// Least severity the error log holds; ordered, the most talkative first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Information.
    Info,
    /// What is normal but worth a line.
    Notice,
    /// What is odd.
    Warn,
    /// What failed.
    Error,
    /// What is critical.
    Crit,
    /// What wants a person now.
    Alert,
    /// Nothing works.
    Emerg,
}

impl LogLevel {
    pub(crate) const NAMES: &'static [(&'static str, Self)] = &[
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("notice", Self::Notice),
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("crit", Self::Crit),
        ("alert", Self::Alert),
        ("emerg", Self::Emerg),
    ];

    /// nginx's word.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("notice", |(name, _)| name)
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Standard output (`/dev/stdout`).
    Stdout,
    /// Standard error (`/dev/stderr`, `stderr`).
    Stderr,
    /// A file; relative paths are below the prefix.
    File(PathBuf),
    /// nginx's `syslog:server=…` parameters, without `syslog:`.
    Syslog(String),
}

/// What an access line looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// nginx's combined format, as Kong's own `kong_log_format`: with the request id at the end.
    Kong,
    /// nginx's `combined`.
    Combined,
    /// Kong's `basic`, for streams.
    Basic,
    /// A JSON object per line.
    Json,
    /// One that `nginx_http_log_format` defines.
    Custom {
        /// Its name.
        name: String,
        /// Its text, with nginx's variables.
        text: String,
        /// `escape=`: `default`, `json` or `none`.
        escape: String,
    },
}

/// An access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub sink: LogSink,
    /// What they look like.
    pub format: LogFormat,
}

/// An error log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub sink: LogSink,
    /// A level of its own, where one stands behind the path.
    pub level: Option<LogLevel>,
}

/// Logs by purpose; none is `off`.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    /// `proxy_access_log`.
    pub proxy_access: Option<AccessLog>,
    /// `proxy_error_log`.
    pub proxy_error: Option<ErrorLog>,
    /// `proxy_stream_access_log`.
    pub stream_access: Option<AccessLog>,
    /// `admin_access_log`.
    pub admin_access: Option<AccessLog>,
    /// `admin_gui_access_log`.
    pub manager_access: Option<AccessLog>,
    /// `status_access_log`.
    pub status_access: Option<AccessLog>,
}

impl Logs {
    pub(super) fn read(c: &mut Checker<'_>, prefix: &Path) -> Self {
        Self {
            proxy_access: access(c, "proxy_access_log", prefix),
            proxy_error: error(c, "proxy_error_log", prefix),
            stream_access: access(c, "proxy_stream_access_log", prefix),
            admin_access: access(c, "admin_access_log", prefix),
            manager_access: access(c, "admin_gui_access_log", prefix),
            status_access: access(c, "status_access_log", prefix),
        }
    }
}

fn sink(c: &mut Checker<'_>, name: &str, word: &str, prefix: &Path) -> Option<LogSink> {
    Some(match word {
        "/dev/stdout" | "/proc/self/fd/1" | "/dev/fd/1" => LogSink::Stdout,
        "/dev/stderr" | "/proc/self/fd/2" | "/dev/fd/2" | "stderr" => LogSink::Stderr,
        _ => match word.strip_prefix("syslog:") {
            Some(parameters) if parameters.split(',').any(|p| p.starts_with("server=") && p.len() > 7) => {
                LogSink::Syslog(parameters.to_owned())
            }
            Some(_) => {
                let hint = "syslog:server=127.0.0.1:514,facility=local7,tag=kong";
                c.wrong(name, format!("{name} has an invalid value: '{word}'"), hint);
                return None;
            }
            None => LogSink::File(under(prefix, word)),
        },
    })
}

fn access(c: &mut Checker<'_>, name: &str, prefix: &Path) -> Option<AccessLog> {
    let text = c.text(name)?;
    let mut words = text.split_whitespace();
    let target = words.next().filter(|word| *word != "off")?;
    let sink = sink(c, name, target, prefix)?;
    let mut format = if name.contains("stream") { LogFormat::Basic } else { LogFormat::Kong };
    for word in words {
        // buffer=, flush=, gzip and if= are nginx's ways of writing; lines are buffered here anyway.
        let tuning = word == "gzip" || ["buffer=", "flush=", "gzip=", "if="].iter().any(|p| word.starts_with(p));
        if tuning {
            continue;
        }
        format = match word {
            "kong_log_format" => LogFormat::Kong,
            "combined" => LogFormat::Combined,
            "basic" => LogFormat::Basic,
            "json" => LogFormat::Json,
            other => match defined(c, other) {
                Some(format) => format,
                None => {
                    let hint = "combined, json, or a format that nginx_http_log_format defines";
                    c.wrong(name, format!("{name}: unknown log format \"{other}\""), hint);
                    return None;
                }
            },
        };
    }
    Some(AccessLog { sink, format })
}

/// A format of `nginx_http_log_format = <name> [escape=…] '<text>' …`.
fn defined(c: &Checker<'_>, wanted: &str) -> Option<LogFormat> {
    for property in ["nginx_http_log_format", "nginx_stream_log_format"] {
        let Some(text) = c.text(property) else { continue };
        let Some((name, rest)) = text.trim().split_once(char::is_whitespace) else { continue };
        if name != wanted {
            continue;
        }
        let mut rest = rest.trim();
        let mut escape = "default";
        if let Some(tail) = rest.strip_prefix("escape=") {
            let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
            escape = &tail[..end];
            rest = tail[end..].trim();
        }
        return Some(LogFormat::Custom { name: name.to_owned(), text: unquote(rest), escape: escape.to_owned() });
    }
    None
}

/// Quoted pieces joined, as nginx joins the arguments of `log_format`.
fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.trim_end_matches(';').chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => out.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => {}
            (None, c) => out.push(c),
        }
    }
    out
}

fn error(c: &mut Checker<'_>, name: &str, prefix: &Path) -> Option<ErrorLog> {
    let text = c.text(name)?;
    let mut words = text.split_whitespace();
    let target = words.next().filter(|word| *word != "off")?;
    let sink = sink(c, name, target, prefix)?;
    let mut level = None;
    for word in words {
        level = LogLevel::NAMES.iter().find(|(known, _)| *known == word).map(|(_, level)| *level);
        if level.is_none() {
            let known: Vec<&str> = LogLevel::NAMES.iter().map(|(known, _)| *known).collect();
            c.wrong(name, format!("{name}: unknown log level \"{word}\""), &format!("one of {}", known.join(", ")));
        }
    }
    Some(ErrorLog { sink, level })
}
