//! Messages as bodies of requests.

use crate::ship::Calls;
use bytes::Bytes;
use exchange::http_client::HttpRequest;
use std::rc::Rc;
use std::time::Duration;

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;

pub(in crate::ship) struct Http {
    pub calls: Rc<Calls>,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub timeout: Duration,
    pub verify: bool,
    pub failure_from: u16,
}

impl Http {
    /// One request; an answer that is no success is an error.
    pub async fn send(&self, message: Bytes) -> Result<(), String> {
        let request = HttpRequest {
            headers: self.headers.clone(),
            timeout: self.timeout,
            verify: self.verify,
            max_answer: MAX_ANSWER,
            ..HttpRequest::new(&self.method, self.url.clone(), message)
        };
        let answer = self.calls.send(request).await.map_err(|error| format!("failed request: {error}"))?;
        if (200..self.failure_from).contains(&answer.status) {
            return Ok(());
        }
        Err(format!("the receiver answered with status code {}", answer.status))
    }
}
