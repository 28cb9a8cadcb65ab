//! Asking other servers over HTTP, as plugins see it: identity providers, functions, collectors.
//!
//! Nothing here knows a socket. Who asks waits for an answer that another thread brings; connections are kept there.

use crate::http_proxy::HttpProxy;
use crate::{Asked, Exchange};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// An answer that is being waited for.
pub type Asking = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

/// Why there is no answer: a sentence for the log. Names no secret of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(pub Arc<str>);

impl HttpError {
    /// With this sentence.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

/// A question to another server.
#[derive(Clone)]
pub struct HttpRequest {
    /// Method, a token.
    pub method: String,
    /// Absolute URL, `http` or `https`; no user information.
    pub url: String,
    /// Header lines; `Host` and `Content-Length` follow from URL and body where they are not given.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// For all of it, connecting included.
    pub timeout: Duration,
    /// Whether the node's authorities must vouch for the server, with https.
    pub verify: bool,
    /// Bytes of the answer's body that are read at most; a longer one is an error.
    pub max_answer: usize,
    /// What it goes through.
    pub proxy: Option<Arc<HttpProxy>>,
}

impl HttpRequest {
    /// A question without headers: 10 s, a verified server, at most 1 MiB of an answer.
    pub fn new(method: &str, url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: body.into(),
            timeout: Duration::from_secs(10),
            verify: true,
            max_answer: 1 << 20,
            proxy: None,
        }
    }

    /// With another header line.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for HttpRequest {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{} {url}, {} bytes", self.method, self.body.len())
    }
}

/// What a server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Bytes,
}

impl HttpResponse {
    /// The first value under a name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

/// Asks other servers. Redirects are not followed; an answer with any status is an answer.
pub trait HttpClient: Send + Sync {
    /// Sends a request; the future may be waited for on any thread.
    fn send(&self, request: HttpRequest) -> Asking;
}

impl Exchange {
    /// Has a plugin's question sent; the timeline notes it where somebody wants the details.
    pub async fn ask(&mut self, http: &dyn HttpClient, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let noted = self.timeline.detail.then(|| {
            let url = request.url.split(['?', '#']).next().unwrap_or_default();
            (Box::from(request.method.as_str()), Box::from(url), self.timeline.now())
        });
        let answer = http.send(request).await;
        if let Some((method, url, start)) = noted {
            let result = answer.as_ref().map(|answer| answer.status).map_err(|error| Box::from(&*error.0));
            let end = self.timeline.now();
            self.timeline.asked.push(Asked { method, url, result, start, end });
        }
        answer
    }
}

/// For nodes and tests without anyone to ask: every question fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttp;

impl HttpClient for NoHttp {
    fn send(&self, _: HttpRequest) -> Asking {
        Box::pin(std::future::ready(Err(HttpError::new("there is no HTTP client"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_without_its_secrets() {
        let request =
            HttpRequest::new("POST", "https://a.test/in?key=secret", "secret").header("authorization", "secret");
        assert_eq!(format!("{request:?}"), "POST https://a.test/in, 6 bytes");
    }
}
