//! The node's logs, as its settings say. A log at its default place under the prefix goes to the terminal instead:
//! `start` runs in the foreground.

use config::{AccessLog, LogFormat, LogLevel, LogSink, Settings};
use exchange::Exchange;
use proxy::Observer;
use std::collections::HashMap;
use telemetry::{AccessFormat, ErrorLog, Level, Sink, SinkTarget};

/// The open logs of a node.
pub struct Logs {
    sinks: HashMap<SinkTarget, Sink>,
    proxy: Option<telemetry::AccessLog>,
}

/// Writes the proxy's access log.
pub struct ProxyAccess(telemetry::AccessLog);

impl Observer for ProxyAccess {
    fn finished(&self, exchange: &Exchange) {
        self.0.log(exchange);
    }
}

impl Logs {
    /// Opens what the settings name and installs the error log.
    pub fn open(settings: &Settings) -> Result<Self, String> {
        let mut logs = Self { sinks: HashMap::new(), proxy: None };
        let level = level(settings.logs.proxy_error.as_ref().and_then(|log| log.level).unwrap_or(settings.node.log_level));
        if let Some(error_log) = &settings.logs.proxy_error {
            let sink = logs.sink(&error_log.sink, "logs/error.log", SinkTarget::Stderr, settings)?;
            ErrorLog::install(sink, level);
        }
        if let Some(AccessLog { sink, format }) = &settings.logs.proxy_access {
            let sink = logs.sink(sink, "logs/access.log", SinkTarget::Stdout, settings)?;
            let format = match format {
                LogFormat::Json => AccessFormat::Json,
                LogFormat::Custom { name, .. } => {
                    tracing::warn!("the log format '{name}' is nginx's; lines are written in Kong's format");
                    AccessFormat::Combined
                }
                _ => AccessFormat::Combined,
            };
            logs.proxy = Some(telemetry::AccessLog::new(sink, format));
        }
        Ok(logs)
    }

    /// The proxy's access log; `None` = off.
    pub fn proxy(&self) -> Option<ProxyAccess> {
        self.proxy.clone().map(ProxyAccess)
    }

    /// Opens every file anew (log rotation).
    pub fn reopen(&self) {
        self.sinks.values().for_each(Sink::reopen);
    }

    /// Returns when everything is written.
    pub fn flush(&self) {
        self.sinks.values().for_each(Sink::flush);
    }

    fn sink(&mut self, given: &LogSink, default: &str, terminal: SinkTarget, settings: &Settings) -> Result<Sink, String> {
        let target = match given {
            LogSink::Stdout => SinkTarget::Stdout,
            LogSink::Stderr => SinkTarget::Stderr,
            LogSink::File(path) if *path == settings.prefix.join(default) => terminal,
            LogSink::File(path) => SinkTarget::File(path.clone()),
            LogSink::Syslog(parameters) => {
                return Err(format!("logs to syslog are not available yet (syslog:{parameters}): name a file or /dev/stderr"));
            }
        };
        if let Some(sink) = self.sinks.get(&target) {
            return Ok(sink.clone());
        }
        let sink = Sink::open(target.clone()).map_err(|error| format!("cannot open a log: {error}"))?;
        self.sinks.insert(target, sink.clone());
        Ok(sink)
    }
}

fn level(given: LogLevel) -> Level {
    Level::parse(given.name()).unwrap_or(Level::Notice)
}
