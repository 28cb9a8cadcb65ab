//! Bodies, both ways.

use super::peers::{Client, OK, Upstream, node, node_with, until};
use crate::buffers::{BUFFER_SIZE, COPY_LIMIT};
use crate::settings::ProxySettings;
use serde_json::json;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

/// So many bytes that differ from place to place.
fn content(length: usize) -> String {
    (0..length).map(|at| char::from(b'a' + (at / 7 % 26) as u8)).collect()
}

#[actix_rt::test]
async fn a_small_chunked_body_gets_a_length() {
    let upstream = Upstream::always(OK).await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    client.send("2\r\nde\r\n0\r\n\r\n").await.answer().await;
    let seen = upstream.only();
    assert!(seen.contains("\r\nContent-Length: 5\r\n") && seen.ends_with("\r\n\r\nabcde"), "{seen}");
    assert!(!seen.to_lowercase().contains("transfer-encoding"));
}

#[actix_rt::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::always(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n",
    )
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Check: 1\r\nX-Consumer-ID: me\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert!(answer.ends_with("\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"), "{answer}");
    assert!(answer.contains("\r\nTrailer: X-Sum\r\n"));
    let seen = upstream.only();
    assert!(seen.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nX-Check: 1\r\n\r\n"), "{seen}");
    assert!(client.get("/").await.answer().await.ends_with("\r\n\r\n"), "the connection is used on");
}

#[actix_rt::test]
async fn large_bodies_arrive_whole_in_every_framing() {
    let large = Rc::new(content(3_000_000));
    let sent = large.clone();
    let upstream = Upstream::start(move |mut peer, _| {
        let large = sent.clone();
        async move {
            while peer.request().await {
                let head = "HTTP/1.1 200 OK\r\n";
                let path = peer.last().split(' ').nth(1).unwrap().to_owned();
                let answer = match path.as_str() {
                    "/chunked" => {
                        let chunks: String = large
                            .as_bytes()
                            .chunks(70_001)
                            .map(|c| format!("{:x}\r\n{}\r\n", c.len(), std::str::from_utf8(c).unwrap()))
                            .collect();
                        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
                    }
                    "/close" => format!("{head}\r\n{large}"),
                    _ => format!("{head}Content-Length: {}\r\n\r\n{large}", large.len()),
                };
                peer.send(answer.as_bytes()).await;
                if path == "/close" {
                    return;
                }
            }
        }
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    for path in ["/length", "/chunked", "/close", "/length"] {
        for chunked in [false, true] {
            let text = match chunked {
                false => format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}", large.len()),
                true => format!(
                    "PUT {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
                    large.len()
                ),
            };
            let answer = client.send(text).await.answer().await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
            let body = if head.contains("Transfer-Encoding: chunked") { unchunk(body) } else { body.to_owned() };
            assert!(body == *large, "{path}: {} bytes", body.len());
        }
    }
    for seen in upstream.seen.borrow().iter() {
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        let body = if head.contains("Transfer-Encoding: chunked") { unchunk(body) } else { body.to_owned() };
        assert!(body == *large, "{head}: {} bytes", body.len());
    }
}

#[actix_rt::test]
async fn content_that_comes_after_its_head_arrives_whole_and_no_more() {
    let headed = Rc::new(Notify::new());
    let go = headed.clone();
    let upstream = Upstream::start(move |mut peer, _| {
        let go = go.clone();
        async move {
            while peer.request().await {
                let path = peer.last().split(' ').nth(1).unwrap().to_owned();
                let (length, surplus) = path.trim_start_matches('/').split_once('/').unwrap();
                let length: usize = length.parse().unwrap();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await;
                go.notified().await;
                peer.send(format!("{}{surplus}", content(length)).as_bytes()).await;
            }
        }
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    let copied = COPY_LIMIT;
    let lengths =
        [1, 2, copied - 1, copied, copied + 1, 60_000, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, 300_000];
    for (connections, surplus) in [(1, ""), (lengths.len(), "x"), (lengths.len() + 1, "")] {
        for length in lengths {
            let head = client.get(&format!("/{length}/{surplus}")).await.head().await;
            assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")), "{head}");
            headed.notify_one();
            assert!(client.bytes(length).await == content(length), "{length} bytes");
        }
        assert_eq!(upstream.connections.get(), connections, "surplus {surplus:?}");
    }
}

fn unchunk(mut text: &str) -> String {
    let mut out = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return out;
        }
        out.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
}

#[actix_rt::test]
async fn a_client_that_waits_is_told_to_go_on() {
    let upstream = Upstream::always(OK).await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(client.send("hello").await.answer().await.starts_with("HTTP/1.1 200 OK\r\n"));
    let seen = upstream.only();
    assert!(seen.ends_with("\r\n\r\nhello") && !seen.to_lowercase().contains("expect"), "{seen}");
    // One that sends at once is not told.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[actix_rt::test]
async fn bodies_that_must_not_be_are_not_passed_on() {
    let upstream = Upstream::start(|mut peer, _| async move {
        while peer.request().await {
            let answer = match peer.last().split(' ').nth(1) {
                Some("/204") => "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
                Some("/304") => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            };
            peer.send(answer.as_bytes()).await;
        }
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    for (request, length) in [("HEAD /", Some("5")), ("GET /204", None), ("GET /304", Some("5")), ("HEAD /", Some("5"))]
    {
        let head = client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await.head().await;
        let found = head.split("\r\nContent-Length: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap());
        assert_eq!(found, length, "{request}: {head}");
    }
    // Surplus bytes after the 204 cost that connection.
    assert_eq!(upstream.connections.get(), 2);
}

#[actix_rt::test]
async fn surplus_bytes_end_the_connection_to_the_upstream() {
    let upstream = Upstream::always(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    for _ in 0..5 {
        assert!(client.get("/").await.answer().await.ends_with("\r\n\r\nok"));
    }
    assert_eq!(upstream.connections.get(), 5);
}

#[actix_rt::test]
async fn bodies_beyond_the_limit_are_refused() {
    let upstream = Upstream::always(OK).await;
    let node =
        node_with(upstream.port, json!({}), ProxySettings { client_max_body_size: 10, ..ProxySettings::default() });
    for (body, status) in [
        ("Content-Length: 10\r\n\r\n0123456789", "200"),
        ("Content-Length: 11\r\n\r\n0123456789a", "413"),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", "200"),
        ("Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n", "413"),
    ] {
        let mut client = Client::to(node.cleartext).await;
        let answer = client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}")).await.answer().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{body:?}: {answer}");
        assert_eq!(answer.contains("\r\nConnection: close\r\n"), status == "413");
    }
    assert_eq!(upstream.seen.borrow().len(), 2);
}

#[actix_rt::test]
async fn an_answer_before_the_end_of_the_body_is_passed_on() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.until(|text| text.contains("\r\n\r\n")).await;
        peer.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        peer.until(|_| false).await;
    })
    .await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
    client.send(content(300_000)).await;
    let answer = client.answer().await;
    assert!(
        answer.starts_with("HTTP/1.1 413 Too Much\r\n") && answer.contains("\r\nConnection: close\r\n"),
        "{answer}"
    );
}

#[actix_rt::test]
async fn a_body_nobody_read_does_not_become_a_request() {
    let upstream = Upstream::always(OK).await;
    let routes = json!([{"paths": ["/known"]}]);
    let node = node_with(upstream.port, json!({"routes": routes}), ProxySettings::default());
    let hidden = "GET /known/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::to(node.cleartext).await;
    // Short, all there.
    let text = format!("POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len());
    assert!(client.send(text).await.answer().await.starts_with("HTTP/1.1 404 "));
    // Short, still to come.
    let begin = format!("POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", hidden.len());
    assert!(client.send(begin).await.answer().await.contains("\r\nConnection: keep-alive\r\n"));
    client.send(hidden).await;
    assert!(client.get("/known").await.answer().await.starts_with("HTTP/1.1 200 "));
    // Of unknown length: the connection ends.
    client.send(format!("POST /unknown HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n{hidden}")).await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    assert_eq!(upstream.seen.borrow().len(), 1);
}

#[actix_rt::test]
async fn slow_bodies_time_out() {
    let upstream = Upstream::always(OK).await;
    let limit = std::time::Duration::from_millis(200);
    let node =
        node_with(upstream.port, json!({}), ProxySettings { client_body_timeout: limit, ..ProxySettings::default() });
    for length in ["10", "10000000"] {
        let mut client = Client::to(node.cleartext).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nabc")).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 408 "), "{length}");
    }
}

#[actix_rt::test]
async fn an_unfinished_body_reaches_nobody_as_a_whole_one() {
    let upstream = Upstream::always(OK).await;
    let node = node(upstream.port);
    let mut client = Client::to(node.cleartext).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    client.io.shutdown().await.unwrap();
    assert_eq!(client.rest().await.0, "");
    until("it is logged", || node.logged() == ["POST / 499 1.1"]).await;
    assert!(upstream.seen.borrow().is_empty());
}
