//! One probe of one address.

use crate::upstream::connect::{ConnectError, Endpoint, UpstreamIo, connect_within};
use balancer::Outcome;
use balancer::health::{Active, ActiveType};
use snapshot::UpstreamTls;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is probed, and how.
#[derive(Clone)]
pub(super) struct Probe {
    /// Connect, send and receive each have this long.
    pub timeout: Duration,
    /// Where.
    pub endpoint: Endpoint,
    /// What is sent; `None` = connecting is all (type `tcp`).
    pub request: Option<Arc<[u8]>>,
}

/// A time-out of 0 is no limit in Kong's sockets but their default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// A status line longer than this is none.
const LONGEST_LINE: usize = 4096;

impl Probe {
    /// For an address, with the name that `Host` and SNI carry.
    pub fn new(active: &Active, address: SocketAddr, host: &str, tls: Option<&Arc<UpstreamTls>>) -> Self {
        let name = active.https_sni.as_deref().unwrap_or(host);
        let tls = match active.kind {
            ActiveType::Https | ActiveType::Grpcs => tls.map(|tls| (tls.clone(), name.as_bytes().to_vec())),
            _ => None,
        };
        Self {
            timeout: if active.timeout.is_zero() { DEFAULT_TIMEOUT } else { active.timeout },
            endpoint: Endpoint { address, tls },
            request: (active.kind != ActiveType::Tcp).then(|| Arc::from(request(active, host).into_bytes())),
        }
    }

    /// Probes.
    pub async fn run(&self) -> Outcome {
        let mut io = match connect_within(&self.endpoint, self.timeout).await {
            Ok(io) => io,
            Err(ConnectError::Timeout) => return Outcome::Timeout,
            Err(_) => return Outcome::TcpFailure,
        };
        let Some(request) = &self.request else { return Outcome::Connected };
        let send = async {
            io.write_all(request).await?;
            io.flush().await
        };
        if let Err(outcome) = self.within(send).await {
            return outcome;
        }
        match self.within(status_line(&mut io)).await {
            Ok(line) => status_of(&line).map_or(Outcome::BadStatusLine, Outcome::Status),
            Err(outcome) => outcome,
        }
    }

    async fn within<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, Outcome> {
        match tokio::time::timeout(self.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Outcome::TcpFailure),
            Err(_) => Err(Outcome::Timeout),
        }
    }
}

/// `GET` in HTTP/1.0, so that no answer is chunked and the connection ends.
fn request(active: &Active, host: &str) -> String {
    let clean = |text: &str| !text.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    let mut out = format!("GET {} HTTP/1.0\r\n", active.http_path);
    for (name, values) in &active.headers {
        for value in values.iter().filter(|value| clean(name) && clean(value)) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    out.push_str(&format!("Host: {host}\r\n\r\n"));
    out
}

async fn status_line(io: &mut UpstreamIo) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(256);
    loop {
        if io.read_buf(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.contains(&b'\n') || line.len() > LONGEST_LINE {
            return Ok(line);
        }
    }
}

/// The status of a status line (RFC 9112 §4, read leniently).
fn status_of(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let major = digits(rest);
    let rest = rest.get(major..)?.strip_prefix(b".").filter(|_| major > 0)?;
    let minor = digits(rest);
    let rest = rest.get(minor..).filter(|_| minor > 0)?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ' || **byte == b'\t').count();
    let rest = rest.get(spaces..).filter(|_| spaces > 0)?;
    std::str::from_utf8(&rest[..digits(rest)]).ok()?.parse().ok()
}

#[cfg(test)]
mod unit {
    use super::*;
    use balancer::HealthConfig;
    use serde_json::json;

    #[test]
    fn status_lines_are_read() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1   404 x\n", Some(404)),
            ("HTTP/1.1 OK\r\n", None),
            ("HTTP/1 200 OK\r\n", None),
            ("HTTP/1.1200 OK\r\n", None),
            ("SSH-2.0-x\r\n", None),
            ("HTTP/1.1 99999999\r\n", None),
            ("", None),
        ] {
            assert_eq!(status_of(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn the_request_is_as_configured() {
        let config: HealthConfig = serde_json::from_value(json!({"active": {
            "http_path": "/s?a=1", "headers": {"X-B": ["1", "2"], "X-Bad": ["a\r\nb"]}, "type": "https",
            "https_sni": "sni.test",
        }}))
        .unwrap();
        let tls = snapshot::Trust::default().probe(None, true).unwrap();
        let probe = Probe::new(&config.active, ([127, 0, 0, 1], 1).into(), "h.test", Some(&tls));
        let request = String::from_utf8(probe.request.unwrap().to_vec()).unwrap();
        assert_eq!(request, "GET /s?a=1 HTTP/1.0\r\nX-B: 1\r\nX-B: 2\r\nHost: h.test\r\n\r\n");
        assert_eq!(probe.endpoint.tls.unwrap().1, b"sni.test");
    }
}
