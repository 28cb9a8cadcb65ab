//! WebSockets over HTTP/2 (RFC 8441), from an HTTP/1 upstream.

use super::peers::{client, drain, http1};
use crate::settings::ProxySettings;
use crate::testing::Node;
use ::h2::ext::Protocol;
use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn node(port: u16) -> Node {
    let services = json!([{"name": "s", "host": "127.0.0.1", "port": port, "routes": [{"paths": ["/"]}]}]);
    Node::start(json!({"services": services}), ProxySettings::default())
}

fn connect(path: &str) -> http::Request<()> {
    let uri = format!("http://a.test{path}");
    let protocol = Protocol::from("websocket");
    http::Request::builder()
        .method("CONNECT")
        .uri(uri)
        .extension(protocol)
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

#[actix_rt::test]
async fn a_tunnel_carries_bytes_both_ways() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = actix_rt::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            io.read_buf(&mut text).await.unwrap();
        }
        io.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhi").await.unwrap();
        let mut got = [0; 4];
        io.read_exact(&mut got).await.unwrap();
        io.write_all(&got).await.unwrap();
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
        (String::from_utf8(text).unwrap(), rest)
    });
    let node = node(port);
    let mut requests = client(node.cleartext).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (answer, mut send) = requests.send_request(connect("/chat"), false).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    let mut recv = answer.into_body();
    assert_eq!(recv.data().await.unwrap().unwrap(), "hi");
    send.send_data(Bytes::from_static(b"ping"), false).unwrap();
    assert_eq!(recv.data().await.unwrap().unwrap(), "ping");
    send.send_data(Bytes::from_static(b"end"), true).unwrap();
    assert_eq!(drain(&mut recv).await.unwrap(), (Vec::new(), None));
    let (head, rest) = upstream.await.unwrap();
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n") && head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
    assert_eq!(rest, b"end");
}

#[actix_rt::test]
async fn an_upstream_that_does_not_switch_opens_no_tunnel() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port);
    let mut requests = client(node.cleartext).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (answer, _send) = requests.send_request(connect("/chat"), false).unwrap();
    assert_eq!(answer.await.unwrap().status(), 502);
}
