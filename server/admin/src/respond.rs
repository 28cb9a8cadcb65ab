//! An answer, and the headers every answer carries.

use crate::live::Live;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// JSON as every body says it is.
const JSON: &str = "application/json; charset=utf-8";

/// What a handler answers: status, type, body, and headers of its own.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: Option<&'static str>,
    pub(crate) body: Bytes,
    headers: Vec<(Cow<'static, str>, String)>,
    /// What is streamed instead of a body.
    pub(crate) live: Option<Box<Live>>,
}

impl Answer {
    /// A JSON body, compact.
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer { status, content_type: Some(JSON), body: body.to_string().into(), headers: Vec::new(), live: None }
    }

    /// A JSON body that is text already.
    pub(crate) fn json_text(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer { status, content_type: Some(JSON), body: body.into(), headers: Vec::new(), live: None }
    }

    /// Another body.
    pub(crate) fn bytes(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
        Answer { status, content_type: Some(content_type), body: body.into(), headers: Vec::new(), live: None }
    }

    /// No body.
    pub(crate) fn empty(status: u16) -> Answer {
        Answer { status, content_type: None, body: Bytes::new(), headers: Vec::new(), live: None }
    }

    /// Events, for as long as someone listens.
    pub(crate) fn live(live: Live) -> Answer {
        let mut answer = Answer::bytes(200, "text/event-stream", "").with("Cache-Control", "no-store");
        answer.live = Some(Box::new(live));
        answer.with("X-Accel-Buffering", "no")
    }

    /// One more header.
    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Answer {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Which of the headers that name the gateway are sent (`headers` in the configuration), and who may read answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPolicy {
    /// `Server`.
    pub server: bool,
    /// `X-Kong-Admin-Latency`.
    pub latency: bool,
    /// Origins of the manager (`admin_gui_url`). Empty: any.
    pub origins: Vec<String>,
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        HeaderPolicy { server: true, latency: true, origins: Vec::new() }
    }
}

impl HeaderPolicy {
    /// The `Access-Control-Allow-Origin` for a request's `Origin`.
    fn origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let asked = request.get(header::ORIGIN);
        let known = |asked: &&HeaderValue| self.origins.iter().any(|origin| origin.as_bytes() == asked.as_bytes());
        match (asked, self.origins.first()) {
            (Some(asked), None) => Some(asked.clone()),
            (None, None) => Some(HeaderValue::from_static("*")),
            (asked, Some(first)) => asked.filter(known).cloned().or_else(|| HeaderValue::from_str(first).ok()),
        }
    }

    /// The head of a response.
    pub(crate) fn begin(&self, answer: &Answer, request: &HeaderMap, elapsed: Duration) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response: HttpResponseBuilder = HttpResponse::build(status);
        if let Some(content_type) = answer.content_type {
            response.insert_header((header::CONTENT_TYPE, content_type));
        }
        if self.server {
            response.insert_header((header::SERVER, format!("kong/{}", schema::KONG_VERSION)));
        }
        if self.latency {
            response.insert_header(("X-Kong-Admin-Latency", elapsed.as_millis().to_string()));
        }
        if let Some(origin) = self.origin(request) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        }
        response.insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
        for (index, (name, value)) in answer.headers.iter().enumerate() {
            let line = (&**name, value.as_str());
            match answer.headers[..index].iter().any(|(before, _)| before.eq_ignore_ascii_case(name)) {
                true => response.append_header(line),
                false => response.insert_header(line),
            };
        }
        response
    }

    /// The finished response.
    pub(crate) fn finish(&self, answer: Answer, request: &HeaderMap, elapsed: Duration) -> HttpResponse {
        let mut response = self.begin(&answer, request, elapsed);
        // A status without a body has no length either (RFC 9110 §8.6).
        if answer.status == 204 || answer.status == 304 { response.finish() } else { response.body(answer.body) }
    }
}
