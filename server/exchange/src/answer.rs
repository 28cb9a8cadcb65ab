//! Answers that the gateway makes itself, in Kong's two styles, and how their bodies are negotiated.

use crate::headers::Headers;
use crate::response::Source;
use crate::{Request, RequestId, Response};
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;

/// The body of an answer.
#[derive(Debug, Clone)]
pub enum AnswerBody {
    /// None; `Content-Length: 0`.
    Empty,
    /// Kong's error style: a message in the type the client accepts, with the request id. Empty text = the status's
    /// default message.
    Error(Cow<'static, str>),
    /// Kong's exit style with a table: compact JSON.
    Json(Value),
    /// Bytes as they are; the Content-Type is among the answer's headers, or absent.
    Bytes(Bytes),
}

/// Which rule chooses the type of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Negotiation {
    /// `Accept`, then JSON (`kong.response.error`).
    #[default]
    Accept,
    /// `Accept`, then the request's `Content-Type`, then `error_default_type` (error pages of the proxy itself).
    Page,
}

/// An answer: what `kong.response.exit` and `kong.response.error` make.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// Body.
    pub body: AnswerBody,
    /// How an error body's type is chosen.
    pub negotiation: Negotiation,
    /// Whether it counts as an error or as an exit.
    pub source: Source,
}

impl Answer {
    /// Error style (`kong.response.error`): negotiated body with message and request id.
    pub fn error(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Error(message.into()),
            negotiation: Negotiation::Accept,
            source: Source::Exit,
        }
    }

    /// An error page of the proxy itself, with the status's default message.
    pub fn page(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Error(Cow::Borrowed("")),
            negotiation: Negotiation::Page,
            source: Source::Error,
        }
    }

    /// Exit style with a JSON body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Json(body),
            negotiation: Negotiation::Accept,
            source: Source::Exit,
        }
    }

    /// Exit style with `{"message": …}`.
    pub fn message(status: u16, message: &str) -> Self {
        Self::json(status, serde_json::json!({ "message": message }))
    }

    /// Exit style with bytes, or nothing.
    pub fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            body: if body.is_empty() { AnswerBody::Empty } else { AnswerBody::Bytes(body) },
            negotiation: Negotiation::Accept,
            source: Source::Exit,
        }
    }

    /// With a header line more.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The response this answer is to a request.
    pub fn render(self, request: &Request, id: &RequestId, templates: &ErrorTemplates) -> Response {
        let mut headers = Headers::default();
        for (name, value) in &self.headers {
            headers.append(name, value);
        }
        let body = match self.body {
            AnswerBody::Empty => Bytes::new(),
            AnswerBody::Bytes(bytes) => bytes,
            AnswerBody::Json(value) => {
                if !headers.contains("content-type") {
                    headers.append("Content-Type", JSON);
                }
                Bytes::from(value.to_string())
            }
            AnswerBody::Error(message) => {
                let message = if message.is_empty() { default_message(self.status) } else { message };
                error_body(self.status, &message, self.negotiation, request, id, templates, &mut headers)
            }
        };
        Response { status: self.status, headers, source: self.source, body, ..Response::default() }
    }
}

/// Content-Type of JSON answers.
pub const JSON: &str = "application/json; charset=utf-8";

/// The four bodies of error answers; `%s` twice, message and request id (`error_template_*`).
#[derive(Debug, Clone)]
pub struct ErrorTemplates {
    /// `application/json`
    pub json: String,
    /// `text/html`
    pub html: String,
    /// `application/xml`
    pub xml: String,
    /// `text/plain`
    pub plain: String,
    /// `error_default_type`: the type of an error page whose client names none.
    pub default_type: String,
}

impl Default for ErrorTemplates {
    fn default() -> Self {
        Self {
            json: "{\n  \"message\":\"%s\",\n  \"request_id\":\"%s\"\n}".into(),
            html: "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n  \
                   <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n  </body>\n</html>\n"
                .into(),
            xml: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>%s</message>\n  \
                  <requestid>%s</requestid>\n</error>\n"
                .into(),
            plain: "%s\nrequest_id: %s\n".into(),
            default_type: "text/plain".into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Html,
    Xml,
    Plain,
    Grpc,
}

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Html => "text/html; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Grpc => "application/grpc",
        }
    }

    /// By a media type or range; `None` where it is none we know.
    fn of(media: &str) -> Option<Self> {
        Some(match media {
            "application/json" | "application/*" | "*/*" => Self::Json,
            "text/html" => Self::Html,
            "text/plain" | "text/*" => Self::Plain,
            "application/xml" => Self::Xml,
            _ if media.starts_with("application/grpc") => Self::Grpc,
            _ => return None,
        })
    }
}

fn error_body(
    status: u16,
    message: &str,
    negotiation: Negotiation,
    request: &Request,
    id: &RequestId,
    templates: &ErrorTemplates,
    headers: &mut Headers,
) -> Bytes {
    let given = headers.get_str("content-type").map(|value| media_of(value).to_owned());
    let request_type = request.headers.get_str("content-type").unwrap_or_default();
    let kind = match (given, negotiation) {
        (Some(media), _) => Kind::of(&media).unwrap_or(Kind::Json),
        (None, _) if request_type.starts_with("application/grpc") => Kind::Grpc,
        (None, Negotiation::Accept) => match request.headers.joined("accept") {
            Some(accept) => negotiate(&String::from_utf8_lossy(&accept)),
            None => Kind::Json,
        },
        (None, Negotiation::Page) => match request.headers.joined("accept") {
            Some(accept) => negotiate(&String::from_utf8_lossy(&accept)),
            None if !request_type.is_empty() => Kind::of(media_of(request_type)).unwrap_or(Kind::Json),
            None => Kind::of(&templates.default_type).unwrap_or(Kind::Json),
        },
    };
    if kind == Kind::Grpc {
        headers.set("Content-Type", kind.content_type());
        headers.set("grpc-status", grpc_status(status).to_string());
        headers.set("grpc-message", message);
        return Bytes::new();
    }
    headers.set("Content-Type", kind.content_type());
    let template = match kind {
        Kind::Json | Kind::Grpc => &templates.json,
        Kind::Html => &templates.html,
        Kind::Xml => &templates.xml,
        Kind::Plain => &templates.plain,
    };
    let mut parts = template.splitn(3, "%s");
    let mut out = String::with_capacity(template.len() + message.len() + 32);
    out.push_str(parts.next().unwrap_or_default());
    if let Some(part) = parts.next() {
        out.push_str(message);
        out.push_str(part);
    }
    if let Some(part) = parts.next() {
        out.push_str(id.as_str());
        out.push_str(part);
    }
    Bytes::from(out)
}

fn media_of(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The best item of an Accept header: highest `q`, the first among equals; `q=0` and what cannot be read is ignored;
/// an unknown type counts as JSON.
fn negotiate(accept: &str) -> Kind {
    let mut best: Option<(f32, Kind)> = None;
    for item in accept.split(',') {
        let media = media_of(item).to_ascii_lowercase();
        if !media.contains('/') {
            continue;
        }
        let quality = item.split(';').skip(1).find_map(|part| part.trim().strip_prefix("q=").map(str::parse::<f32>));
        let quality = match quality {
            Some(Ok(quality)) => quality,
            Some(Err(_)) => continue,
            None => 1.0,
        };
        if quality > 0.0 && best.is_none_or(|(highest, _)| quality > highest) {
            best = Some((quality, Kind::of(&media).unwrap_or(Kind::Json)));
        }
    }
    best.map_or(Kind::Json, |(_, kind)| kind)
}

/// gRPC status of an HTTP status (Kong's table).
pub fn grpc_status(status: u16) -> u8 {
    match status {
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        501 => 12,
        503 => 14,
        504 => 4,
        500..=599 => 13,
        400..=498 => 3,
        200..=299 => 0,
        _ => 2,
    }
}

/// The message of an error answer that has none of its own.
pub fn default_message(status: u16) -> Cow<'static, str> {
    Cow::Borrowed(match status {
        400 => "Bad request",
        401 => "Unauthorized",
        402 => "Payment required",
        403 => "Forbidden",
        404 => "Not found",
        405 => "Method not allowed",
        406 => "Not acceptable",
        407 => "Proxy authentication required",
        408 => "Request timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        415 => "Unsupported media type",
        416 => "Range not satisfiable",
        417 => "Expectation failed",
        418 => "I'm a teapot",
        421 => "Misdirected request",
        422 => "Unprocessable entity",
        423 => "Locked",
        424 => "Failed dependency",
        425 => "Too early",
        426 => "Upgrade required",
        428 => "Precondition required",
        429 => "Too many requests",
        431 => "Request header fields too large",
        451 => "Unavailable for legal reasons",
        494 => "Request header or cookie too large",
        500 => "An unexpected error occurred",
        501 => "Not implemented",
        502 => "An invalid response was received from the upstream server",
        503 => "The upstream server is currently unavailable",
        504 => "The upstream server is timing out",
        505 => "HTTP version not supported",
        506 => "Variant also negotiates",
        507 => "Insufficient storage",
        508 => "Loop detected",
        510 => "Not extended",
        511 => "Network authentication required",
        _ => return Cow::Owned(format!("The upstream server responded with {status}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(answer: Answer, lines: &[(&str, &str)]) -> (String, String) {
        let request = Request { headers: lines.iter().copied().collect(), ..Request::default() };
        let response = answer.render(&request, &RequestId::fresh(), &ErrorTemplates::default());
        let kind = response.headers.get_str("content-type").unwrap_or_default().to_owned();
        (kind, String::from_utf8_lossy(&response.body).into_owned())
    }

    #[test]
    fn error_types_are_negotiated() {
        for (accept, kind) in [
            ("text/html", "text/html; charset=utf-8"),
            ("text/*", "text/plain; charset=utf-8"),
            ("image/png", JSON),
            ("text/html;q=0.5, application/xml;q=0.9", "application/xml; charset=utf-8"),
            ("text/html;q=0, text/plain", "text/plain; charset=utf-8"),
            ("text/plain, text/html", "text/plain; charset=utf-8"),
            ("*/*", JSON),
            ("nonsense", JSON),
        ] {
            assert_eq!(rendered(Answer::error(404, "m"), &[("Accept", accept)]).0, kind, "{accept}");
        }
        assert_eq!(rendered(Answer::error(404, "m"), &[]).0, JSON);
        assert_eq!(rendered(Answer::page(502), &[]).0, "text/plain; charset=utf-8");
        assert_eq!(rendered(Answer::page(502), &[("Content-Type", "application/json")]).0, JSON);
        assert_eq!(
            rendered(Answer::error(401, "m"), &[("Content-Type", "application/grpc+proto")]).0,
            "application/grpc"
        );
    }

    #[test]
    fn bodies_carry_message_and_id() {
        let (_, body) = rendered(Answer::page(504), &[("Accept", "application/json")]);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["message"], "The upstream server is timing out");
        assert_eq!(body["request_id"].as_str().unwrap().len(), 32);
        assert_eq!(rendered(Answer::message(401, "no"), &[]).1, r#"{"message":"no"}"#);
    }
}
