//! Questions that go through an HTTP proxy.

use exchange::{HttpProxy, HttpRequest};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use telemetry::ship::{Calls, Network, Resolving};

/// Knows no names, and trusts nobody.
struct Nowhere;

impl Network for Nowhere {
    fn resolve(&self, name: &str, _: u16) -> Resolving {
        let error = format!("{name} is not known");
        Box::pin(std::future::ready(Err(error)))
    }

    fn tls(&self, _: bool) -> Result<Arc<rustls::ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?;
        Ok(Arc::new(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()))
    }
}

/// A proxy that gives each connection one answer to every head, and tells the heads; then the first byte of what follows a
/// success.
fn proxy(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
                if head.is_empty() {
                    break;
                }
                if head.to_ascii_lowercase().contains("\r\ncontent-length: 2\r\n") {
                    stream.read_exact(&mut [0; 2]).unwrap();
                }
                let tunnels = head.starts_with("CONNECT ") && answer.contains(" 200 ");
                sender.send(head).unwrap();
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                if tunnels {
                    let mut first = [0];
                    stream.read_exact(&mut first).unwrap();
                    sender.send(format!("{first:?}")).unwrap();
                    break;
                }
            }
        }
    });
    (address, heads)
}

fn request(url: &str, proxy: HttpProxy) -> HttpRequest {
    let mut request = HttpRequest::new("POST", url, "hi").header("x-mark", "m");
    request.proxy = Some(Arc::new(proxy));
    request
}

fn calls() -> Calls {
    let network: Arc<dyn Network> = Arc::new(Nowhere);
    Calls::new(&network)
}

#[actix_rt::test]
async fn http_is_asked_in_absolute_form() {
    let (address, heads) = proxy("HTTP/1.1 203 OK\r\nContent-Length: 2\r\n\r\nok");
    let calls = calls();
    let mut known = HttpProxy::new("127.0.0.1", address.port());
    for (url, line, host) in [
        ("http://far.test/a/b?c=d", "POST http://far.test/a/b?c=d HTTP/1.1\r\n", "\r\nhost: far.test\r\n"),
        ("http://far.test:81", "POST http://far.test:81/ HTTP/1.1\r\n", "\r\nhost: far.test:81\r\n"),
    ] {
        let answer = calls.send(request(url, known.clone())).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (203, b"ok".as_slice()));
        let head = heads.recv().unwrap();
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with(line) && lower.contains(host) && lower.contains("\r\nx-mark: m\r\n"), "{head}");
        assert_eq!(lower.contains("\r\nproxy-authorization: "), known.authorization.is_some(), "{head}");
        known.authorization = Some("Basic eDp5".to_owned());
    }
}

#[actix_rt::test]
async fn https_is_asked_through_a_tunnel() {
    let (address, heads) = proxy("HTTP/1.1 200 Connection established\r\n\r\n");
    let authorization = Some("Basic eDp5".to_owned());
    let known = HttpProxy { authorization, ..HttpProxy::new("127.0.0.1", address.port()) };
    let failed = calls().send(request("https://far.test/a", known)).await.unwrap_err();
    assert_eq!(
        heads.recv().unwrap(),
        "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
    );
    // Hands are shaken with who is behind it, as far as the proxy lets them.
    assert_eq!(heads.recv().unwrap(), "[22]", "{failed}");
}

#[actix_rt::test]
async fn what_a_proxy_does_wrong_is_said() {
    let (refusing, _heads) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let (other, _others) = proxy("220 mail.test ESMTP\r\n");
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (port, expected) in [
        (refusing.port(), "refuses a tunnel to far.test:8443: status 407"),
        (other.port(), "does not speak HTTP: invalid HTTP version"),
        (gone.port(), "cannot be reached: "),
    ] {
        let known = HttpProxy::new("127.0.0.1", port);
        let error = calls().send(request("https://far.test:8443/", known)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("the proxy 127.0.0.1:{port} {expected}")), "{error}");
    }
    let unknown = HttpProxy::new("proxy.test", 3128);
    let error = calls().send(request("https://far.test/", unknown)).await.unwrap_err().to_string();
    assert!(error.contains("the proxy proxy.test:3128 cannot be reached: proxy.test is not known"), "{error}");
}

#[actix_rt::test]
async fn a_proxy_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let known = HttpProxy::new("127.0.0.1", listener.local_addr().unwrap().port());
    let mut waiting = request("https://far.test/", known);
    waiting.timeout = Duration::from_millis(50);
    let error = calls().send(waiting).await.unwrap_err().to_string();
    assert!(error.to_ascii_lowercase().contains("timeout"), "{error}");
}
