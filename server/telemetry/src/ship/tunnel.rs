//! Tunnels through HTTP proxies (CONNECT, RFC 9110 §9.3.6).

use super::{Network, resolve};
use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use exchange::HttpProxy;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The largest head that a proxy may answer with, in bytes, and its lines.
const HEAD: usize = 16 * 1024;
const LINES: usize = 64;

/// Connects to servers through a proxy.
#[derive(Clone)]
pub(super) struct Tunnels {
    pub network: Arc<dyn Network>,
    pub proxy: Arc<HttpProxy>,
}

impl Service<ConnectInfo<Uri>> for Tunnels {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let Self { network, proxy } = self.clone();
        let uri = info.request().clone();
        Box::pin(async move {
            let opened = open(&*network, &proxy, &uri).await;
            let io =
                opened.map_err(|error| ConnectError::Io(io::Error::other(format!("the proxy {proxy} {error}"))))?;
            Ok(Connection::new(uri, io))
        })
    }
}

/// A tunnel to where `uri` leads; the error says what became of the proxy.
async fn open(network: &dyn Network, proxy: &HttpProxy, uri: &Uri) -> Result<TcpStream, String> {
    let unreachable = |error: &dyn Display| format!("cannot be reached: {error}");
    let address = resolve(network, &proxy.host, proxy.port).await.map_err(|error| unreachable(&error))?;
    let mut io = TcpStream::connect(address).await.map_err(|error| unreachable(&error))?;
    let _ = io.set_nodelay(true);
    let authority = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(secret) = &proxy.authorization {
        head.push_str(&format!("Proxy-Authorization: {secret}\r\n"));
    }
    head.push_str("\r\n");
    let failed = |error: io::Error| format!("failed: {error}");
    io.write_all(head.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    loop {
        // The other end of the tunnel says nothing before it is spoken to: what comes is the proxy's.
        if io.read_buf(&mut answer).await.map_err(failed)? == 0 {
            return Err("closed the connection".to_owned());
        }
        match status(&answer)? {
            Some(200..=299) => return Ok(io),
            Some(status) => return Err(format!("refuses a tunnel to {authority}: status {status}")),
            None => {}
        }
    }
}

/// The status of a whole head, which nothing may follow.
fn status(answer: &[u8]) -> Result<Option<u16>, String> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut head = httparse::Response::new(&mut lines);
    match head.parse(answer) {
        Ok(httparse::Status::Complete(length)) => match head.code {
            Some(200..=299) if length < answer.len() => Err("says more than a tunnel begins with".to_owned()),
            status => Ok(status),
        },
        Ok(httparse::Status::Partial) if answer.len() < HEAD => Ok(None),
        Ok(httparse::Status::Partial) => Err("answers with too large a head".to_owned()),
        Err(error) => Err(format!("does not speak HTTP: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn what_a_proxy_says() {
        for (answer, expected) in [
            ("", Ok(None)),
            ("HTTP/1.1 200 OK\r\nVia: x\r\n", Ok(None)),
            ("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", Ok(Some(200))),
            ("HTTP/1.0 200 Connection established\r\n\r\n", Ok(Some(200))),
            ("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno", Ok(Some(407))),
            ("HTTP/1.1 200 OK\r\n\r\n\x16\x03", Err("says more than a tunnel begins with")),
            ("SSH-2.0-OpenSSH\r\n", Err("does not speak HTTP: invalid HTTP version")),
        ] {
            assert_eq!(status(answer.as_bytes()), expected.map_err(str::to_owned), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nVia: {}", "x".repeat(20_000));
        assert_eq!(status(endless.as_bytes()), Err("answers with too large a head".to_owned()));
    }
}
