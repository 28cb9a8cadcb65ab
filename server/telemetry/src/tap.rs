//! Lines of the error log for those who send them elsewhere.

use crate::Level;
use crate::export::otlp::LogRecord;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::SystemTime;

type Hear = dyn Fn(LogRecord) + Send + Sync;

static TAPS: RwLock<Vec<Weak<Hear>>> = RwLock::new(Vec::new());
static ANY: AtomicBool = AtomicBool::new(false);

/// Hears every line of the error log for as long as it lives.
pub struct LogTap(#[expect(dead_code, reason = "its end is the message")] Arc<Hear>);

/// Has lines of the error log heard. What `hear` does must not wait, nor write a line itself.
pub fn tap_log(hear: impl Fn(LogRecord) + Send + Sync + 'static) -> LogTap {
    let hear: Arc<Hear> = Arc::new(hear);
    let mut taps = TAPS.write().unwrap_or_else(PoisonError::into_inner);
    taps.retain(|tap| tap.strong_count() > 0);
    taps.push(Arc::downgrade(&hear));
    ANY.store(true, Relaxed);
    LogTap(hear)
}

/// Lets everyone hear a line. Lines about sending are not sent: each would be followed by another.
pub(crate) fn tell(level: Level, message: &str, target: &str) {
    if !ANY.load(Relaxed) || target.starts_with("telemetry::ship") {
        return;
    }
    let taps = TAPS.read().unwrap_or_else(PoisonError::into_inner);
    for tap in taps.iter().filter_map(Weak::upgrade) {
        tap(record(level, message));
    }
}

/// Severity numbers of OpenTelemetry's log data model.
fn severity(level: Level) -> (i32, &'static str) {
    match level {
        Level::Debug => (5, "DEBUG"),
        Level::Info => (9, "INFO"),
        Level::Notice => (11, "NOTICE"),
        Level::Warn => (13, "WARN"),
        Level::Error => (17, "ERR"),
        Level::Crit => (19, "CRIT"),
        Level::Alert => (21, "ALERT"),
        Level::Emerg => (23, "EMERG"),
    }
}

fn record(level: Level, message: &str) -> LogRecord {
    let now = crate::trace::nanos(SystemTime::now());
    let (severity_number, text) = severity(level);
    LogRecord {
        time_unix_nano: now,
        observed_time_unix_nano: now,
        severity_number,
        severity_text: text.to_owned(),
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(message.to_owned())) }),
        ..LogRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn lines_are_heard_until_nobody_listens() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        let tap = tap_log(move |record| into.lock().unwrap().push((record.severity_number, record.body)));
        tell(Level::Warn, "one", "proxy");
        tell(Level::Error, "about sending", "telemetry::ship::tend");
        drop(tap);
        tell(Level::Warn, "two", "proxy");
        let body = AnyValue { value: Some(any_value::Value::StringValue("one".into())) };
        assert_eq!(*heard.lock().unwrap(), [(13, Some(body))]);
    }
}
