//! Connections: how long they live, what they carry one after the other, and into what they change.

use super::peers::{Client, OK, Upstream, node, node_with, until};
use crate::settings::ProxySettings;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[actix_rt::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|mut peer, _| async move {
        while peer.request().await {
            peer.send(OK.as_bytes()).await;
        }
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    let texts = (0..20).map(|n| format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
    client.send(texts.collect::<String>()).await;
    for _ in 0..20 {
        assert!(client.answer().await.ends_with("\r\n\r\nok"));
    }
    let seen = upstream.seen.borrow().iter().map(|text| text.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(seen, (0..20).map(|n| format!("/{n}")).collect::<Vec<_>>());
    assert_eq!(upstream.connections.get(), 1);
}

#[actix_rt::test]
async fn persistence_follows_version_and_connection() {
    let upstream = Upstream::always(OK).await;
    let node = node(upstream.port);
    for (request, persists) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
    ] {
        let mut client = Client::to(node.cleartext).await;
        let answer = client.send(request).await.answer().await;
        let expected = if persists { "\r\nConnection: keep-alive\r\n" } else { "\r\nConnection: close\r\n" };
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(expected), "{answer}");
        if persists {
            assert!(client.send(request).await.answer().await.ends_with("ok"));
        } else {
            assert_eq!(client.rest().await, (String::new(), false));
        }
    }
}

#[actix_rt::test]
async fn http_1_0_clients_get_no_chunks() {
    let upstream =
        Upstream::always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let (answer, reset) = client.rest().await;
    assert!(!reset && answer.ends_with("\r\n\r\nabcde") && !answer.to_lowercase().contains("chunked"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"));
}

#[actix_rt::test]
async fn the_absolute_form_decides_on_the_host() {
    let upstream = Upstream::always(OK).await;
    let routes = json!([{"hosts": ["real.test"], "preserve_host": true}]);
    let node = node_with(upstream.port, json!({"routes": routes}), ProxySettings::default());
    let mut client = Client::to(node.cleartext).await;
    let answer = client.send("GET http://real.test/x HTTP/1.1\r\nHost: other.test\r\n\r\n").await.answer().await;
    assert!(answer.ends_with("ok"), "{answer}");
    assert!(upstream.only().starts_with("GET /x HTTP/1.1\r\nHost: real.test\r\n"));
    let answer = client.send("GET http://other.test/x HTTP/1.1\r\nHost: real.test\r\n\r\n").await.answer().await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[actix_rt::test]
async fn other_protocols_are_tunnelled_both_ways() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.until(|text| text.contains("\r\n\r\n")).await;
        peer.note();
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\nhello").await;
        peer.until(|text| text.contains("ping")).await;
        peer.send(b"pong").await;
        // The client's end of the stream comes through, and ours still goes out.
        peer.until(|_| false).await;
        peer.send(b"bye").await;
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat/1\r\n\r\nping").await;
    let head = client.head().await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && head.contains("\r\nUpgrade: chat/1\r\n"),
        "{head}"
    );
    assert_eq!(head.to_lowercase().matches("\r\nconnection: upgrade\r\n").count(), 1);
    client.io.shutdown().await.unwrap();
    assert_eq!(client.rest().await.0, "hellopongbye");
    assert!(upstream.only().contains("\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat/1\r\n"));
    until("it is logged", || node.logged() == ["GET / 101 1.1"]).await;
}

#[actix_rt::test]
async fn a_switch_nobody_asked_for_is_an_error() {
    let upstream = Upstream::always("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").await;
    let node = node(upstream.port);
    assert!(Client::to(node.cleartext).await.get("/").await.answer().await.starts_with("HTTP/1.1 502 "));
}

#[actix_rt::test]
async fn interim_responses_pass_to_those_who_know_them() {
    let upstream = Upstream::always(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.get("/").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert!(client.answer().await.starts_with("HTTP/1.1 200 OK\r\n"));
    let mut client = Client::to(node.cleartext).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(client.rest().await.0.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[actix_rt::test]
async fn cleartext_on_a_tls_listener_gets_a_page() {
    let node = node(9);
    let mut client = Client::to(node.tls).await;
    let (answer, _) = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("The plain HTTP request was sent to HTTPS port"));
}

#[actix_rt::test]
async fn idle_and_slow_connections_are_closed() {
    let upstream = Upstream::always(OK).await;
    let limit = Duration::from_millis(200);
    let settings = ProxySettings { keepalive_timeout: limit, client_header_timeout: limit, ..ProxySettings::default() };
    let node = node_with(upstream.port, json!({}), settings);
    for text in ["", "GET / HTTP/1.1\r\nHos"] {
        let mut client = Client::to(node.cleartext).await;
        assert_eq!(client.send(text).await.rest().await.0, "");
    }
    let mut client = Client::to(node.cleartext).await;
    assert!(client.get("/").await.answer().await.ends_with("ok"));
    assert_eq!(client.rest().await, (String::new(), false));
}

#[actix_rt::test]
async fn a_connection_serves_so_many_requests_and_no_more() {
    let upstream = Upstream::always(OK).await;
    let node = node_with(upstream.port, json!({}), ProxySettings { keepalive_requests: 2, ..ProxySettings::default() });
    let mut client = Client::to(node.cleartext).await;
    assert!(client.get("/").await.answer().await.contains("\r\nConnection: keep-alive\r\n"));
    assert!(client.get("/").await.answer().await.contains("\r\nConnection: close\r\n"));
    assert_eq!(client.rest().await, (String::new(), false));
}

#[actix_rt::test]
async fn a_graceful_stop_finishes_what_is_in_flight_and_ends_what_is_idle() {
    let upstream = Upstream::start(|mut peer, _| async move {
        while peer.request().await {
            actix_rt::time::sleep(Duration::from_millis(300)).await;
            peer.send(OK.as_bytes()).await;
        }
    })
    .await;
    let node = node(upstream.port);
    let mut idle = Client::to(node.cleartext).await;
    let mut fresh = Client::to(node.cleartext).await;
    let mut busy = Client::to(node.cleartext).await;
    idle.get("/").await.answer().await;
    busy.get("/").await;
    until("the request is at the upstream", || upstream.seen.borrow().len() == 2).await;
    let clients = async {
        let answer = busy.answer().await;
        assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("ok"), "{answer}");
        assert_eq!(busy.rest().await, (String::new(), false));
        assert_eq!(idle.rest().await, (String::new(), false));
        // Who came before the end and did not ask yet is served all the same.
        let answer = fresh.get("/").await.answer().await;
        assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("ok"), "{answer}");
        assert_eq!(fresh.rest().await, (String::new(), false));
    };
    tokio::join!(node.stop(), clients);
}
