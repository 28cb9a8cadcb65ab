//! Clients that speak HTTP/2, upstreams that speak HTTP/1.

use super::peers::{ask, client, http1, request, until, whole};
use crate::settings::ProxySettings;
use crate::testing::Node;
use crate::upstream::connect::{Endpoint, connect, connect_http2};
use ::h2::Reason;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn node(port: u16, settings: ProxySettings) -> Node {
    let routes = json!([{"paths": ["/"], "hosts": ["front.test"], "preserve_host": true}]);
    Node::start(json!({"services": [{"name": "s", "host": "127.0.0.1", "port": port, "routes": routes}]}), settings)
}

#[actix_rt::test]
async fn a_request_crosses_to_http1_and_back() {
    let (port, seen) =
        http1(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Up: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\nhello").await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let lines = [("cookie", "a=1"), ("cookie", "b=2"), ("x-consumer-id", "me"), ("te", "trailers")];
    let answer = ask(&mut requests, request("POST", "/x?q=1", &lines), b"body").await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(
        (answer.header("x-up"), answer.header("content-length"), answer.header("via")),
        ("1", "5", "1.1 kong/3.9.1")
    );
    assert!(!answer.headers.contains_key("x-hop") && !answer.headers.contains_key("connection"));
    assert!(answer.headers.contains_key("date") && answer.headers.contains_key("x-kong-request-id"));
    let sent = seen.borrow()[0].clone();
    for line in [
        "POST /x?q=1 HTTP/1.1\r\n",
        "\r\nHost: front.test\r\n",
        "\r\ncookie: a=1; b=2\r\n",
        "\r\nVia: 2 kong/3.9.1\r\n",
        "\r\nTE: trailers\r\n",
        "\r\nX-Forwarded-Proto: http\r\n",
        "\r\nContent-Length: 4\r\n",
        "\r\n\r\nbody",
    ] {
        assert!(sent.contains(line), "{line:?} in {sent}");
    }
    until("the request is logged", || node.logged() == ["POST /x?q=1 200 2"]).await;
}

#[actix_rt::test]
async fn http1_is_still_spoken_where_http2_may_be() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port, ProxySettings::default());
    let mut io = TcpStream::connect(node.cleartext).await.unwrap();
    // As slow as bytes can come.
    for byte in b"PRO / HTTP/1.1\r\nHost: front.test\r\nConnection: close\r\n\r\n" {
        io.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[actix_rt::test]
async fn trailers_pass_in_both_directions() {
    let (port, seen) = http1(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n",
    )
    .await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("POST", "/x", &[("te", "trailers")]), false).unwrap();
    send.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-check", "9".parse().unwrap());
    trailers.insert("x-consumer-id", "me".parse().unwrap());
    send.send_trailers(trailers).unwrap();
    let answer = whole(answer.await.unwrap()).await.unwrap();
    let trailers = answer.trailers.unwrap();
    assert_eq!((answer.body.as_slice(), trailers.len()), (b"ok".as_slice(), 1));
    assert_eq!(trailers["x-sum"], "7");
    let sent = seen.borrow()[0].clone();
    assert!(sent.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nx-check: 9\r\n\r\n"), "{sent}");
}

#[actix_rt::test]
async fn interim_answers_pass() {
    let (port, _) = http1(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let (mut answer, _) = requests.send_request(request("GET", "/x", &[]), true).unwrap();
    let interim = std::future::poll_fn(|context| answer.poll_informational(context)).await.unwrap().unwrap();
    assert_eq!((interim.status().as_u16(), &interim.headers()["link"]), (103, &"</a>; rel=preload".parse().unwrap()));
    let answer = whole(answer.await.unwrap()).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
}

#[actix_rt::test]
async fn heads_that_are_none_are_refused_and_the_connection_lives_on() {
    let (port, seen) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let long = "a".repeat(9000);
    for (method, path, lines, status) in [
        ("GET", "/x", vec![("host", "other.test")], 400),
        ("GET", "/x/%zz", vec![], 400),
        ("TRACE", "/x", vec![], 405),
        ("GET", "/x", vec![("x-long", long.as_str())], 400),
    ] {
        let answer = ask(&mut requests, request(method, path, &lines), b"").await.unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let other = http::Request::builder().uri("http://nobody.test/x").body(()).unwrap();
    assert_eq!(ask(&mut requests, other, b"").await.unwrap().status, 404);
    // Fields of a connection end the stream, not the connection.
    let refused = ask(&mut requests, request("GET", "/x", &[("connection", "x-a"), ("x-a", "1")]), b"").await;
    let reason = refused.err().and_then(|error| error.reason());
    assert!(reason == Some(Reason::PROTOCOL_ERROR) || reason.is_none(), "{reason:?}");
    assert!(seen.borrow().is_empty());
    let mut requests = client(node.cleartext).await;
    assert_eq!(ask(&mut requests, request("GET", "/x", &[]), b"").await.unwrap().status, 200);
}

#[actix_rt::test]
async fn bodies_stream_within_windows_and_keep_to_the_limit() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let settings = ProxySettings { client_max_body_size: 1 << 20, ..ProxySettings::default() };
    let node = node(port, settings);
    let mut requests = client(node.cleartext).await;
    let answer = ask(&mut requests, request("POST", "/x", &[]), &[b'z'; (1 << 20) + 1]).await;
    assert!(answer.is_ok_and(|answer| answer.status == 413));
    let declared = request("POST", "/x", &[("content-length", "2000000")]);
    let (answer, _send) = requests.send_request(declared, false).unwrap();
    assert_eq!(whole(answer.await.unwrap()).await.unwrap().status, 413);
}

#[actix_rt::test]
async fn an_answer_that_breaks_off_is_reset() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix_rt::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut text = [0; 4096];
        let _ = io.read(&mut text).await;
        io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort").await.unwrap();
    });
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let (answer, _) = requests.send_request(request("GET", "/x", &[]), true).unwrap();
    let mut recv = answer.await.unwrap().into_body();
    assert_eq!(recv.data().await.unwrap().unwrap(), "short");
    let error = recv.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
}

#[actix_rt::test]
async fn a_client_that_takes_back_its_request_ends_the_work() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("GET", "/x", &[]), true).unwrap();
    let (mut io, _) = listener.accept().await.unwrap();
    send.send_reset(Reason::CANCEL);
    drop(answer);
    let mut text = Vec::new();
    // The upstream's connection ends, for its answer is wanted no more.
    io.read_to_end(&mut text).await.unwrap();
    until("it is logged", || node.logged() == ["GET /x 499 2"]).await;
}

#[actix_rt::test]
async fn many_streams_share_a_connection_and_floods_are_cut_off() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    for _ in 0..20 {
        let answers: Vec<_> =
            (0..100).map(|_| requests.send_request(request("GET", "/x", &[]), true).unwrap().0).collect();
        for answer in answers {
            assert_eq!(whole(answer.await.unwrap()).await.unwrap().body, b"ok");
        }
    }
    assert_eq!(node.connections(), 1);
    // Streams opened and taken back without end.
    let mut ended = false;
    for _ in 0..20_000 {
        match requests.send_request(request("GET", "/x", &[]), true) {
            Ok((_, mut send)) => send.send_reset(Reason::CANCEL),
            Err(_) => {
                ended = true;
                break;
            }
        }
        tokio::task::yield_now().await;
    }
    assert!(ended);
    let mut others = client(node.cleartext).await;
    assert_eq!(ask(&mut others, request("GET", "/x", &[]), b"").await.unwrap().status, 200);
}

#[actix_rt::test]
async fn idle_connections_are_sent_away_and_stops_are_graceful() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let settings = ProxySettings { keepalive_timeout: Duration::from_millis(200), ..ProxySettings::default() };
    let node = node(port, settings);
    let mut requests = client(node.cleartext).await;
    assert_eq!(ask(&mut requests, request("GET", "/x", &[]), b"").await.unwrap().status, 200);
    until("the idle connection ends", || node.connections() == 0).await;
    let gone = ask(&mut requests, request("GET", "/x", &[]), b"").await.err().unwrap();
    assert!(gone.reason().is_none_or(|reason| reason == Reason::NO_ERROR), "{gone}");
}

#[actix_rt::test]
async fn a_stop_lets_requests_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    let (answer, _) = requests.send_request(request("GET", "/x", &[]), true).unwrap();
    let (mut io, _) = listener.accept().await.unwrap();
    let finish = async {
        let mut text = [0; 4096];
        let _ = io.read(&mut text).await;
        until("the client is told", || {
            requests.current_max_send_streams() == 0
                || requests.clone().send_request(request("GET", "/y", &[]), true).is_err()
        })
        .await;
        io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        let answer = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
    };
    tokio::join!(node.stop(), finish);
    until("the connection ends", || node.connections() == 0).await;
}

#[actix_rt::test]
async fn a_stop_ends_idle_connections() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port, ProxySettings::default());
    let mut requests = client(node.cleartext).await;
    assert_eq!(ask(&mut requests, request("GET", "/x", &[]), b"").await.unwrap().status, 200);
    // A client that does not even answer to the farewell.
    let mut mute = TcpStream::connect(node.cleartext).await.unwrap();
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    until("both are there", || node.connections() == 2).await;
    node.stop().await;
    until("both have ended", || node.connections() == 0).await;
}

#[actix_rt::test]
async fn tls_clients_get_http2_by_alpn() {
    let (port, seen) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let node = node(port, ProxySettings::default());
    let tls = snapshot::Trust::default().probe(None, false).unwrap();
    let endpoint = Endpoint { address: node.tls, tls: Some((tls, b"front.test".to_vec())) };
    let (mut requests, connection) = ::h2::client::handshake(connect_http2(&endpoint).await.unwrap()).await.unwrap();
    actix_rt::spawn(connection);
    let answer = ask(&mut requests, request("GET", "/x", &[]), b"").await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
    assert!(seen.borrow()[0].contains("\r\nX-Forwarded-Proto: https\r\n"));
    // Whoever does not ask for it speaks HTTP/1, and it is not forced on anyone who speaks cleartext there.
    let mut io = connect(&endpoint).await.unwrap();
    io.write_all(b"GET /x HTTP/1.1\r\nHost: front.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[actix_rt::test]
async fn a_slow_reader_costs_a_bounded_part_of_an_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let written = std::rc::Rc::new(std::cell::Cell::new(0usize));
    let count = written.clone();
    actix_rt::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut text = [0; 4096];
        let _ = io.read(&mut text).await;
        io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await.unwrap();
        while let Ok(more) = io.write(&[b'z'; 65536]).await {
            count.set(count.get() + more);
        }
    });
    let settings = ProxySettings { send_timeout: Duration::from_millis(500), ..ProxySettings::default() };
    let node = node(port, settings);
    let mut requests = client(node.cleartext).await;
    let (answer, _) = requests.send_request(request("GET", "/x", &[]), true).unwrap();
    let mut recv = answer.await.unwrap().into_body();
    // Nothing is read: the windows close, the upstream is held up, and then time is over.
    until("the request is given up", || node.logged().len() == 1).await;
    assert!(written.get() < 20_000_000, "{} bytes", written.get());
    let mut read = 0;
    let error = loop {
        match recv.data().await.unwrap() {
            Ok(data) => read += data.len(),
            Err(error) => break error,
        }
    };
    assert!(read <= 65_535 && error.reason() == Some(Reason::INTERNAL_ERROR), "{read} {error}");
}

#[actix_rt::test]
async fn a_body_that_does_not_come_is_given_up() {
    let (port, _) = http1(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let settings = ProxySettings { client_body_timeout: Duration::from_millis(200), ..ProxySettings::default() };
    let node = node(port, settings);
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("POST", "/x", &[]), false).unwrap();
    send.send_data(Bytes::from_static(b"some"), false).unwrap();
    assert_eq!(whole(answer.await.unwrap()).await.unwrap().status, 408);
}
