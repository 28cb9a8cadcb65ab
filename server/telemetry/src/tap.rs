//! Lines of the error log for those who send them elsewhere.

use crate::Level;
use crate::export::otlp::{self, LogRecord};
use crate::trace::Value;
use exchange::TraceContext;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use serde_json::{Map, Value as Json};
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

/// Lets everyone hear a record that is no line of the error log, of a request's trace where it has one. What no
/// attribute can be (objects, null) is left out.
pub fn report(message: &str, known: &Map<String, Json>, of: Option<&TraceContext>) {
    if !ANY.load(Relaxed) {
        return;
    }
    let attributes = known.iter().filter_map(|(name, value)| Some((name.clone().into(), Value::of_json(value)?)));
    let mut told = record(Level::Info, message);
    told.attributes = otlp::pairs(attributes.collect());
    if let Some(trace) = of {
        told.trace_id = trace.trace_id.0.to_vec();
        told.span_id = trace.span_id.0.to_vec();
        told.flags = trace.sampled.into();
    }
    let taps = TAPS.read().unwrap_or_else(PoisonError::into_inner);
    taps.iter().filter_map(Weak::upgrade).for_each(|tap| tap(told.clone()));
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
        let tap = tap_log(move |record| {
            into.lock().unwrap().push((record.severity_number, record.body, record.attributes.len()));
        });
        tell(Level::Warn, "one", "proxy");
        tell(Level::Error, "about sending", "telemetry::ship::tend");
        let known = Map::from_iter([("n".to_owned(), 7.into()), ("none".to_owned(), Json::Null)]);
        report("of a plugin", &known, None);
        drop(tap);
        tell(Level::Warn, "two", "proxy");
        let body = |text: &str| Some(AnyValue { value: Some(any_value::Value::StringValue(text.into())) });
        assert_eq!(*heard.lock().unwrap(), [(13, body("one"), 0), (9, body("of a plugin"), 1)]);
    }
}
