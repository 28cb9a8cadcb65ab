//! The node's logs, as its settings say. A log at its default place under the prefix goes to the terminal instead:
//! `start` runs in the foreground.

use config::{AccessLog, LogFormat, LogLevel, LogSink, Settings};
use exchange::Exchange;
use proxy::Observer;
use std::collections::HashMap;
use telemetry::{AccessFormat, Escape, Level, Sink, SinkTarget, SyslogTarget};

/// The open logs of a node.
pub struct Logs {
    sinks: HashMap<SinkTarget, Sink>,
    errors: Option<(Sink, Level)>,
    share: f64,
    proxy: Option<telemetry::AccessLog>,
    stream: Option<telemetry::AccessLog>,
    admin: Option<telemetry::AccessLog>,
    status: Option<telemetry::AccessLog>,
    manager: Option<telemetry::AccessLog>,
}

/// Writes the proxy's access log.
pub struct ProxyAccess {
    log: telemetry::AccessLog,
    /// Share of the requests that did not fail and are logged.
    share: f64,
}

impl Observer for ProxyAccess {
    fn finished(&self, exchange: &Exchange) {
        if self.share >= 1.0 || exchange.response.status >= 400 || self.takes(exchange) {
            self.log.log(exchange);
        }
    }
}

impl ProxyAccess {
    /// Whether a request is among those that are logged: by its id, which is random.
    fn takes(&self, exchange: &Exchange) -> bool {
        let digits = exchange.id.as_str().get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        digits.is_some_and(|number| f64::from(number) < self.share * f64::from(u32::MAX))
    }
}

impl Logs {
    /// Opens what the settings name.
    pub fn open(settings: &Settings) -> Result<Self, String> {
        let mut logs = Self {
            sinks: HashMap::new(),
            errors: None,
            share: settings.telemetry.sampling_rate,
            proxy: None,
            stream: None,
            admin: None,
            status: None,
            manager: None,
        };
        let given = &settings.logs;
        let level = level(given.proxy_error.as_ref().and_then(|log| log.level).unwrap_or(settings.node.log_level));
        if let Some(error_log) = &given.proxy_error {
            let sink = logs.sink(&error_log.sink, "logs/error.log", SinkTarget::Stderr, settings)?;
            logs.errors = Some((sink, level));
        }
        logs.proxy = logs.access(&given.proxy_access, "logs/access.log", settings)?;
        // Nothing is opened for listeners that are not there.
        if !settings.listeners.stream.is_empty() {
            logs.stream = logs.access(&given.stream_access, "logs/access.log", settings)?;
        }
        logs.admin = logs.access(&given.admin_access, "logs/admin_access.log", settings)?;
        logs.status = logs.access(&given.status_access, "logs/status_access.log", settings)?;
        logs.manager = logs.access(&given.manager_access, "logs/admin_gui_access.log", settings)?;
        Ok(logs)
    }

    /// The manager's access log; `None` = off.
    pub fn manager(&self) -> Option<telemetry::AccessLog> {
        self.manager.clone()
    }

    /// Where errors go, and from which level on; `None` = off.
    pub fn errors(&self) -> Option<(Sink, Level)> {
        self.errors.clone()
    }

    /// The proxy's access log; `None` = off.
    pub fn proxy(&self) -> Option<ProxyAccess> {
        self.proxy.clone().map(|log| ProxyAccess { log, share: self.share })
    }

    /// The access log of sessions; `None` = off.
    pub fn stream(&self) -> Option<ProxyAccess> {
        self.stream.clone().map(|log| ProxyAccess { log, share: self.share })
    }

    /// The Admin API's access log; `None` = off.
    pub fn admin(&self) -> Option<telemetry::AccessLog> {
        self.admin.clone()
    }

    /// The status API's access log; `None` = off.
    pub fn status(&self) -> Option<telemetry::AccessLog> {
        self.status.clone()
    }

    /// Opens every file anew (log rotation).
    pub fn reopen(&self) {
        self.sinks.values().for_each(Sink::reopen);
    }

    /// Returns when everything is written.
    pub fn flush(&self) {
        self.sinks.values().for_each(Sink::flush);
    }

    fn access(
        &mut self,
        given: &Option<AccessLog>,
        default: &str,
        settings: &Settings,
    ) -> Result<Option<telemetry::AccessLog>, String> {
        let Some(AccessLog { sink, format }) = given else { return Ok(None) };
        let sink = self.sink(sink, default, SinkTarget::Stdout, settings)?;
        let format = match format {
            LogFormat::Kong => AccessFormat::Combined,
            LogFormat::Combined => telemetry::LogFormat::combined().into(),
            LogFormat::Basic => telemetry::LogFormat::basic().into(),
            LogFormat::Json => AccessFormat::Json,
            LogFormat::Custom { name, text, escape } => Escape::parse(escape)
                .and_then(|escape| telemetry::LogFormat::compile(text, escape))
                .map_err(|error| format!("the log format '{name}': {error}"))?
                .into(),
        };
        Ok(Some(telemetry::AccessLog::new(sink, format)))
    }

    fn sink(
        &mut self,
        given: &LogSink,
        default: &str,
        terminal: SinkTarget,
        settings: &Settings,
    ) -> Result<Sink, String> {
        let target = match given {
            LogSink::Stdout => SinkTarget::Stdout,
            LogSink::Stderr => SinkTarget::Stderr,
            LogSink::File(path) if *path == settings.prefix.join(default) => terminal,
            LogSink::File(path) => SinkTarget::File(path.clone()),
            LogSink::Syslog(parameters) => {
                SinkTarget::Syslog(SyslogTarget::parse(parameters).map_err(|error| error.to_string())?)
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
