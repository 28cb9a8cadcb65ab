//! One line per request, in nginx's combined format as Kong configures it, or as JSON.

use crate::Sink;
use exchange::{Exchange, Stamp};
use std::cell::RefCell;
use std::io::Write;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const LOCAL: &[BorrowedFormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// nginx's combined format with `kong_request_id` at the end (Kong's `kong_log_format`).
    #[default]
    Combined,
    /// A JSON object per line.
    Json,
}

/// Writes access lines to a sink.
#[derive(Clone)]
pub struct AccessLog {
    sink: Sink,
    format: AccessFormat,
}

thread_local! {
    /// `$time_local` of the second it was made in.
    static TIME: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

impl AccessLog {
    /// A log of that format.
    pub fn new(sink: Sink, format: AccessFormat) -> Self {
        Self { sink, format }
    }

    /// Opens the file anew before the next line.
    pub fn reopen(&self) {
        self.sink.reopen();
    }

    /// Logs a finished request.
    pub fn log(&self, exchange: &Exchange) {
        let mut line = Vec::with_capacity(256);
        match self.format {
            AccessFormat::Combined => combined(&mut line, exchange),
            AccessFormat::Json => json(&mut line, exchange),
        }
        line.push(b'\n');
        self.sink.line(line);
    }
}

fn combined(line: &mut Vec<u8>, exchange: &Exchange) {
    let request = &exchange.request;
    let _ = write!(line, "{} - - [", request.client_ip());
    with_local_time(exchange.timeline.wall(), |time| line.extend_from_slice(time.as_bytes()));
    line.extend_from_slice(b"] \"");
    escape(line, &request.method);
    line.push(b' ');
    escape(line, &request.target);
    let _ = write!(
        line,
        " HTTP/{}\" {} {} \"",
        http_version(request.version),
        exchange.response.status,
        exchange.response.body_sent
    );
    escape(line, request.headers.get("referer").unwrap_or(b"-"));
    line.extend_from_slice(b"\" \"");
    escape(line, request.headers.get("user-agent").unwrap_or(b"-"));
    let _ = write!(line, "\" kong_request_id: \"{}\"", exchange.id.as_str());
}

fn http_version(version: exchange::Version) -> &'static str {
    match version {
        exchange::Version::Http2 => "2.0",
        exchange::Version::Http3 => "3.0",
        other => other.as_str(),
    }
}

fn json(line: &mut Vec<u8>, exchange: &Exchange) {
    let request = &exchange.request;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let timeline = &exchange.timeline;
    let value = serde_json::json!({
        "time": rfc3339(timeline.wall()),
        "client_ip": request.client_ip().to_string(),
        "method": text(&request.method),
        "uri": text(&request.target),
        "host": text(&request.host),
        "version": http_version(request.version),
        "status": exchange.response.status,
        "upstream_status": exchange.response.upstream_status,
        "bytes_sent": exchange.response.body_sent,
        "referer": request.headers.get_str("referer"),
        "user_agent": request.headers.get_str("user-agent"),
        "request_id": exchange.id.as_str(),
        "route": exchange.route.as_ref().and_then(|route| route.name.clone()),
        "service": exchange.service.as_ref().and_then(|service| service.name.clone()),
        "consumer": exchange.identity.consumer.as_ref().and_then(|consumer| consumer.username.as_deref().map(str::to_owned)),
        "upstream": exchange.upstream_address.map(|address| address.to_string()),
        "tries": timeline.tries.len(),
        "proxy_ms": timeline.proxy_ms(),
        "upstream_ms": timeline.upstream_ms(),
        "total_ms": timeline.at(Stamp::Finished).unwrap_or_else(|| timeline.now()) / 1000,
    });
    line.extend_from_slice(value.to_string().as_bytes());
}

fn rfc3339(wall: SystemTime) -> String {
    OffsetDateTime::from(wall).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn with_local_time(wall: SystemTime, each: impl FnOnce(&str)) {
    let now = OffsetDateTime::from(wall);
    TIME.with_borrow_mut(|(second, text)| {
        if *second != now.unix_timestamp() {
            *second = now.unix_timestamp();
            *text = now.format(LOCAL).unwrap_or_default();
        }
        each(text);
    });
}

/// nginx's default escaping: control characters, `"`, `\` and bytes above 126 as `\xXX`.
fn escape(line: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        if matches!(byte, b'"' | b'\\') || *byte < 0x20 || *byte > 0x7e {
            let _ = write!(line, "\\x{byte:02X}");
        } else {
            line.push(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::{Request, Timeline};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn exchange() -> Exchange {
        let request = Request {
            method: b"GET".as_slice().into(),
            target: b"/a\"\x01?b".as_slice().into(),
            client_ip: Some([10, 0, 0, 1].into()),
            headers: [("User-Agent", "curl/8")].into_iter().collect(),
            ..Request::default()
        };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let nobody = Arc::new(exchange::directory::Nobody);
        let mut exchange = Exchange::new(request, Timeline::starting(Instant::now(), wall), nobody);
        exchange.response.status = 404;
        exchange.response.body_sent = 12;
        exchange
    }

    #[test]
    fn combined_lines_are_nginx_s() {
        let exchange = exchange();
        let mut line = Vec::new();
        combined(&mut line, &exchange);
        let expected = format!(
            "10.0.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /a\\x22\\x01?b HTTP/1.1\" 404 12 \"-\" \"curl/8\" \
             kong_request_id: \"{}\"",
            exchange.id.as_str()
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn json_lines_are_json() {
        let mut line = Vec::new();
        json(&mut line, &exchange());
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["status"], 404);
        assert_eq!(value["time"], "2023-11-14T22:13:20Z");
    }
}
