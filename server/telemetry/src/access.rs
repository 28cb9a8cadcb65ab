//! One line per request, in one of nginx's formats or as JSON.

use crate::log_format::variables::version;
use crate::{LogFormat, Sink};
use exchange::mask::Masks;
use exchange::{Exchange, Stamp};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const LOCAL: &[BorrowedFormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory]:[offset_minute]");

/// The form of a line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// nginx's combined format with `kong_request_id` at the end (Kong's `kong_log_format`).
    #[default]
    Combined,
    /// Variables in a text: nginx's own formats, or an operator's.
    Text(Arc<LogFormat>),
    /// A JSON object per line.
    Json,
}

impl From<LogFormat> for AccessFormat {
    fn from(format: LogFormat) -> Self {
        Self::Text(Arc::new(format))
    }
}

/// Writes access lines to a sink. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    sink: Sink,
    /// `None` is JSON.
    format: Option<Arc<LogFormat>>,
}

thread_local! {
    /// `$time_local` of the second it was made in.
    static TIME: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

impl AccessLog {
    /// A log of that format.
    pub fn new(sink: Sink, format: AccessFormat) -> Self {
        let format = match format {
            AccessFormat::Combined => Some(Arc::new(LogFormat::kong())),
            AccessFormat::Text(format) => Some(format),
            AccessFormat::Json => None,
        };
        Self { sink, format }
    }

    /// Opens the file anew before the next line.
    pub fn reopen(&self) {
        self.sink.reopen();
    }

    /// Logs a finished request.
    pub fn log(&self, exchange: &Exchange) {
        let mut line = Vec::with_capacity(256);
        match &self.format {
            Some(format) => format.write(&mut line, exchange, &crate::masks().load()),
            None => json(&mut line, exchange, &crate::masks().load()),
        }
        line.push(b'\n');
        self.sink.line(line);
    }
}

fn json(line: &mut Vec<u8>, exchange: &Exchange, masks: &Masks) {
    let request = &exchange.request;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let timeline = &exchange.timeline;
    let mut value = serde_json::json!({
        "time": rfc3339(timeline.wall()),
        "client_ip": request.client_ip().to_string(),
        "method": text(&request.method),
        "uri": text(&masks.target(&request.target)),
        "host": text(&request.host),
        "version": version(request.version),
        "status": exchange.response.status,
        "upstream_status": exchange.response.upstream_status,
        "bytes_sent": exchange.response.body_sent,
        "referer": request.headers.get_str("referer").map(|referer| text(&masks.target(referer.as_bytes()))),
        "user_agent": request.headers.get_str("user-agent"),
        "request_id": exchange.id.as_str(),
        "route": exchange.route_entity().and_then(|route| route.name.clone()),
        "service": exchange.service.as_ref().and_then(|service| service.name.clone()),
        "consumer": exchange.identity.consumer.as_ref().and_then(|consumer| consumer.username.as_deref().map(str::to_owned)),
        "upstream": exchange.upstream_address.map(|address| address.to_string()),
        "tries": timeline.tries.len(),
        "proxy_ms": timeline.proxy_ms(),
        "upstream_ms": timeline.upstream_ms(),
        "total_ms": timeline.at(Stamp::Finished).unwrap_or_else(|| timeline.now()) / 1000,
    });
    if let (Some(trace), Some(fields)) = (&exchange.trace, value.as_object_mut()) {
        fields.insert("trace_id".into(), trace.trace_id.to_string().into());
        fields.insert("span_id".into(), trace.span_id.to_string().into());
        fields.insert("trace_sampled".into(), trace.sampled.into());
    }
    line.extend_from_slice(value.to_string().as_bytes());
}

fn rfc3339(wall: SystemTime) -> String {
    OffsetDateTime::from(wall).format(&Rfc3339).unwrap_or_default()
}

/// As nginx writes it: `2023-11-14T22:13:20+00:00`.
pub(crate) fn rfc3339_seconds(wall: SystemTime) -> String {
    OffsetDateTime::from(wall).format(SECONDS).unwrap_or_default()
}

/// Shows `$time_local` of a moment.
pub(crate) fn with_local_time(wall: SystemTime, each: impl FnOnce(&str)) {
    let now = OffsetDateTime::from(wall);
    TIME.with_borrow_mut(|(second, text)| {
        if *second != now.unix_timestamp() {
            *second = now.unix_timestamp();
            *text = now.format(LOCAL).unwrap_or_default();
        }
        each(text);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::tests::exchange;
    use exchange::{SpanId, TraceContext, TraceId};

    fn line(exchange: &Exchange) -> serde_json::Value {
        let mut line = Vec::new();
        json(&mut line, exchange, &Masks::default());
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn json_lines_are_json() {
        let value = line(&exchange());
        assert_eq!(value["status"], 404);
        assert_eq!(value["time"], "2023-11-14T22:13:20Z");
        assert_eq!(value.get("trace_id"), None);
    }

    #[test]
    fn traced_requests_name_their_trace() {
        let mut exchange = exchange();
        exchange.trace = Some(TraceContext {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            parent: None,
            upstream: SpanId([2; 8]),
            sampled: true,
            propagated: false,
        });
        let value = line(&exchange);
        assert_eq!(value["trace_id"], "01".repeat(16));
        assert_eq!(value["span_id"], "02".repeat(8));
        assert_eq!(value["trace_sampled"], true);
    }
}
