//! What plugins share that hand requests to functions elsewhere.

use exchange::{Answer, HttpResponse};

/// Headers that belong to a connection or to the framing of a body, in lower case (RFC 9110 §7.6.1).
pub(crate) const OF_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A function's answer as the answer to a request.
pub(crate) fn answered(response: HttpResponse) -> Answer {
    let answer = Answer::bytes(response.status, response.body);
    let headers = response.headers.into_iter().filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str()));
    headers.fold(answer, |answer, (name, value)| answer.header(name, value))
}

/// A time-out in ms, as configurations have it.
pub(crate) fn timeout(ms: f64) -> std::time::Duration {
    std::time::Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(std::time::Duration::from_secs(60))
}
