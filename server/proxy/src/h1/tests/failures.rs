//! Upstreams that lie, stall or die, and clients that go away.

use super::peers::{Client, OK, Upstream, node, node_with, until};
use crate::settings::ProxySettings;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

const TARGET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\npay";

#[actix_rt::test]
async fn a_connection_closed_while_idle_is_invisible() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.request().await;
        peer.send(OK.as_bytes()).await;
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    for _ in 0..30 {
        assert!(client.get("/").await.answer().await.ends_with("\r\n\r\nok"));
    }
    assert_eq!(upstream.connections.get(), 30);
}

/// The upstream takes one request per connection as if it would take more, then resets it with the next.
#[actix_rt::test]
async fn what_a_stale_connection_swallowed_is_sent_again_unless_it_is_a_post() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.request().await;
        peer.send(OK.as_bytes()).await;
        peer.request().await;
        peer.reset();
    })
    .await;
    let node = node_with(upstream.port, json!({"retries": 0}), ProxySettings::default());
    let mut client = Client::to(node.cleartext).await;
    assert!(client.send(TARGET).await.answer().await.ends_with("ok"));
    assert!(client.send(TARGET).await.answer().await.ends_with("ok"), "sent again on a new connection");
    assert_eq!((upstream.connections.get(), upstream.seen.borrow().len()), (2, 3));
    assert!(client.send(POST).await.answer().await.starts_with("HTTP/1.1 502 "));
    assert_eq!(upstream.seen.borrow().iter().filter(|text| text.ends_with("pay")).count(), 1);
}

#[actix_rt::test]
async fn a_dropped_request_is_tried_again_where_that_does_no_harm() {
    for (request, retries, connections, status) in
        [(TARGET, 5, 3, "200"), (TARGET, 1, 2, "502"), (TARGET, 0, 1, "502"), (POST, 5, 1, "502")]
    {
        let upstream = Upstream::start(|mut peer, number| async move {
            peer.request().await;
            if number >= 3 {
                peer.send(OK.as_bytes()).await;
                peer.until(|_| false).await;
            }
        })
        .await;
        let node = node_with(upstream.port, json!({"retries": retries}), ProxySettings::default());
        let answer = Client::to(node.cleartext).await.send(request).await.answer().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} {retries}: {answer}");
        assert_eq!(upstream.connections.get(), connections, "{request:?} {retries}");
    }
}

#[actix_rt::test]
async fn an_upstream_that_stalls_is_a_504() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.until(|_| false).await;
    })
    .await;
    let node = node_with(upstream.port, json!({"retries": 0, "read_timeout": 200}), ProxySettings::default());
    for request in [TARGET, POST] {
        let answer = Client::to(node.cleartext).await.send(request).await.answer().await;
        assert!(
            answer.starts_with("HTTP/1.1 504 ") && answer.contains("The upstream server is timing out"),
            "{answer}"
        );
    }
}

#[actix_rt::test]
async fn answers_that_are_none_are_a_502() {
    for answer in [
        "\x16\x03nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        let upstream = Upstream::start(move |mut peer, _| async move {
            peer.request().await;
            peer.send(answer.as_bytes()).await;
        })
        .await;
        let node = node_with(upstream.port, json!({"retries": 0}), ProxySettings::default());
        let text = Client::to(node.cleartext).await.send(TARGET).await.answer().await;
        assert!(text.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer:?}: {text}");
        for name in ["Via: 1.1 kong/", "X-Kong-Proxy-Latency: ", "X-Kong-Upstream-Latency: ", "Server: kong/"] {
            assert!(text.contains(&format!("\r\n{name}")), "{name}: {text}");
        }
    }
}

#[actix_rt::test]
async fn answers_that_break_off_are_never_ended_as_whole() {
    for (answer, version, sent) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "1.1", "abc"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "1.1", "3\r\nabc\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZ\r\n", "1.1", "3\r\nabc\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "1.0", "abc"),
    ] {
        let upstream = Upstream::start(move |mut peer, _| async move {
            peer.request().await;
            peer.send(answer.as_bytes()).await;
            actix_rt::time::sleep(std::time::Duration::from_millis(100)).await;
        })
        .await;
        let node = node(upstream.port);
        let mut client = Client::to(node.cleartext).await;
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n")).await;
        let (text, reset) = client.rest().await;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(sent.starts_with(body), "{answer:?}: {text}");
        // Where the end of the connection would be the end of the body, only a reset says that it is not.
        assert!(reset || version == "1.1", "{answer:?}");
        until("it is logged", || node.logged().len() == 1).await;
    }
}

#[actix_rt::test]
async fn what_came_whole_of_an_answer_that_breaks_off_goes_out() {
    for (answer, sent) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZ\r\n", "3\r\nabc\r\n"),
    ] {
        // Answer and end are there at once.
        let upstream = Upstream::start(move |mut peer, _| async move {
            peer.request().await;
            peer.send(answer.as_bytes()).await;
        })
        .await;
        let node = node(upstream.port);
        let (text, _) = Client::to(node.cleartext).await.get("/").await.rest().await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with(&format!("\r\n\r\n{sent}")), "{text}");
    }
}

#[actix_rt::test]
async fn a_client_that_goes_away_takes_its_request_along() {
    let ended = Rc::new(Cell::new(false));
    let seen = ended.clone();
    let upstream = Upstream::start(move |mut peer, _| {
        let seen = seen.clone();
        async move {
            peer.request().await;
            // Nothing is answered; the connection ends when the client has gone.
            peer.until(|_| false).await;
            seen.set(true);
        }
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.get("/").await;
    until("the request is at the upstream", || upstream.seen.borrow().len() == 1).await;
    drop(client);
    until("the upstream's connection ended", || ended.get()).await;
    until("it is logged", || node.logged() == ["GET / 499 1.1"]).await;
}

#[actix_rt::test]
async fn refused_requests_are_logged_and_the_connection_ends() {
    let node = node(9);
    for (text, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/3.7\r\nHost: a\r\n\r\n", "505"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
    ] {
        let mut client = Client::to(node.cleartext).await;
        let (answer, _) = client.send(text).await.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains("\r\nX-Kong-Request-Id: ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
    until("all are logged", || node.logged().len() == 6).await;
}

#[actix_rt::test]
async fn an_oversized_head_still_says_what_page_is_wanted() {
    let node = node(9);
    let mut client = Client::to(node.cleartext).await;
    let long = "y".repeat(9000);
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nX-Long: {long}\r\n\r\n")).await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\r\nContent-Type: application/json"), "{answer}");
    assert!(answer.contains("\"message\":\"Request header or cookie too large\""), "{answer}");
}
