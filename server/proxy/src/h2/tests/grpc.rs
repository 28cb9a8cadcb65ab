//! gRPC: HTTP/2 on both sides, messages and trailers both ways.

use super::peers::{Upstream, ask, client, drain, request, send_all, until, whole};
use crate::settings::ProxySettings;
use crate::testing::Node;
use ::h2::server::SendResponse;
use ::h2::{Reason, RecvStream};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::json;
use std::time::Duration;

const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

fn node(port: u16) -> Node {
    let services = json!([
        {"name": "g", "protocol": "grpc", "host": "127.0.0.1", "port": port, "read_timeout": 400,
         "routes": [{"protocols": ["grpc"], "paths": ["/"]}]},
        {"name": "p", "protocol": "grpc", "host": "127.0.0.1", "port": port,
         "routes": [{"protocols": ["http"], "paths": ["/plain"], "strip_path": false}]},
        {"name": "d", "protocol": "grpc", "host": "127.0.0.1", "port": 1, "retries": 0,
         "routes": [{"protocols": ["grpc"], "paths": ["/down"]}]},
        {"name": "t", "protocol": "grpc", "host": "127.0.0.1", "port": port,
         "routes": [{"protocols": ["grpcs"], "paths": ["/secure"]}]},
    ]);
    Node::start(json!({"services": services}), ProxySettings::default())
}

fn status(value: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", value.parse().unwrap());
    trailers
}

/// What gRPC servers do, by path.
async fn serve(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (parts, mut recv) = request.into_parts();
    let head = || Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    match parts.uri.path() {
        "/s/Unary" | "/plain" => {
            let Ok((body, _)) = drain(&mut recv).await else { return };
            let mut answer = head();
            let seen = format!("{:?} {:?}", parts.uri.authority().unwrap().as_str(), parts.headers.get("te"));
            answer.headers_mut().insert("x-seen", seen.parse().unwrap());
            answer.headers_mut().insert("x-via", parts.headers["via"].clone());
            let mut send = respond.send_response(answer, false).unwrap();
            send_all(&mut send, body.into(), false).await;
            send.send_trailers(status("0")).unwrap();
        }
        // Each message is answered before the next is sent.
        "/s/Chat" => {
            let mut send = respond.send_response(head(), false).unwrap();
            while let Some(Ok(data)) = recv.data().await {
                let _ = recv.flow_control().release_capacity(data.len());
                send_all(&mut send, data, false).await;
            }
            let mut trailers = status("0");
            if let Ok(Some(given)) = recv.trailers().await {
                trailers.extend(given);
            }
            let _ = send.send_trailers(trailers);
        }
        "/s/Refused" => {
            let mut answer = head();
            answer.headers_mut().extend(status("7"));
            respond.send_response(answer, true).unwrap();
        }
        // All messages without being asked twice.
        "/s/Many" => {
            let mut send = respond.send_response(head(), false).unwrap();
            for _ in 0..100 {
                if !send_all(&mut send, Bytes::from(vec![7; 50_000]), false).await {
                    return;
                }
            }
            let _ = send.send_trailers(status("0"));
        }
        "/s/Reset" => respond.send_reset(Reason::INTERNAL_ERROR),
        _ => {
            // Silence.
            let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
        }
    }
}

#[actix_rt::test]
async fn calls_share_connections_and_keep_their_trailers() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let answers: Vec<_> = (0..80)
        .map(|index| {
            let (answer, mut send) = requests.send_request(request("POST", "/s/Unary", &GRPC), false).unwrap();
            send.send_data(Bytes::from(vec![index; 100]), true).unwrap();
            (index, answer)
        })
        .collect();
    for (index, answer) in answers {
        let answer = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, [index; 100].as_slice()));
        assert_eq!(answer.trailers.as_ref().unwrap()["grpc-status"], "0");
        assert_eq!((answer.header("via"), answer.header("x-via")), ("2 kong/3.9.1", "2 kong/3.9.1"));
        let expected = format!("\"127.0.0.1:{}\" Some(\"trailers\")", upstream.port);
        assert_eq!(answer.header("x-seen"), expected);
    }
    assert_eq!(upstream.connections.get(), 1);
}

#[actix_rt::test]
async fn messages_stream_both_ways() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("POST", "/s/Chat", &GRPC), false).unwrap();
    let mut recv = answer.await.unwrap().into_body();
    for round in 0..50u8 {
        let message = Bytes::from(vec![round; 1 + usize::from(round) * 20]);
        send.send_data(message.clone(), false).unwrap();
        let mut echoed = Vec::new();
        while echoed.len() < message.len() {
            let data = recv.data().await.unwrap().unwrap();
            let _ = recv.flow_control().release_capacity(data.len());
            echoed.extend_from_slice(&data);
        }
        assert_eq!(echoed, message);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-client-sum", "3".parse().unwrap());
    send.send_trailers(trailers).unwrap();
    let (rest, trailers) = drain(&mut recv).await.unwrap();
    let trailers = trailers.unwrap();
    assert!(rest.is_empty() && trailers["grpc-status"] == "0" && trailers["x-client-sum"] == "3");
}

#[actix_rt::test]
async fn floods_of_small_messages_pass() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("POST", "/s/Unary", &GRPC), false).unwrap();
    let messages = async {
        for _ in 0..20_000 {
            assert!(send_all(&mut send, Bytes::from_static(b"message"), false).await);
        }
        send_all(&mut send, Bytes::from_static(b"."), true).await
    };
    let (sent, answer) = tokio::join!(messages, async { whole(answer.await?).await });
    assert!(sent);
    assert_eq!(answer.unwrap().body.len(), 140_001);
}

#[actix_rt::test]
async fn large_messages_pass_in_bounded_windows() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let answer = ask(&mut requests, request("POST", "/s/Many", &GRPC), b"x").await.unwrap();
    assert_eq!((answer.body.len(), answer.trailers.unwrap()["grpc-status"].as_bytes()), (5_000_000, b"0".as_slice()));
    let (answer, mut send) = requests.send_request(request("POST", "/s/Unary", &GRPC), false).unwrap();
    let body = Bytes::from(vec![5; 3_000_000]);
    let (sent, answer) = tokio::join!(send_all(&mut send, body, true), async { whole(answer.await?).await });
    assert!(sent);
    assert_eq!(answer.unwrap().body.len(), 3_000_000);
}

#[actix_rt::test]
async fn errors_are_told_in_grpc() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let answer = ask(&mut requests, request("POST", "/s/Refused", &GRPC), b"x").await.unwrap();
    assert_eq!((answer.status, answer.header("grpc-status"), answer.trailers.is_none()), (200, "7", true));
    for (path, http, grpc) in [("/down/x", 502, "13"), ("/s/Reset", 502, "13"), ("/s/Silent", 504, "4")] {
        let answer = ask(&mut requests, request("POST", path, &GRPC), b"x").await.unwrap();
        assert_eq!((answer.status, answer.header("grpc-status"), answer.body.len()), (http, grpc, 0), "{path}");
        assert!(!answer.header("grpc-message").is_empty() && answer.header("content-type") == "application/grpc");
    }
    let insecure = ask(&mut requests, request("POST", "/secure/x", &GRPC), b"x").await.unwrap();
    assert_eq!((insecure.status, insecure.header("grpc-status")), (200, "1"));
    assert_eq!(insecure.header("grpc-message"), "gRPC request matched gRPCs route");
    let other = ask(&mut requests, request("POST", "/s/Unary", &[]), b"x").await.unwrap();
    assert_eq!(other.status, 415);
}

#[actix_rt::test]
async fn a_call_taken_back_is_taken_back_upstream() {
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    let (answer, mut send) = requests.send_request(request("POST", "/s/Chat", &GRPC), false).unwrap();
    let answer = answer.await.unwrap();
    send.send_reset(Reason::CANCEL);
    drop(answer);
    until("it is logged", || node.logged() == ["POST /s/Chat 200 2"]).await;
    // The connection to the upstream serves on.
    let again = ask(&mut requests, request("POST", "/s/Unary", &GRPC), b"x").await.unwrap();
    assert_eq!((again.status, upstream.connections.get()), (200, 1));
}

#[actix_rt::test]
async fn an_upstream_that_went_away_is_called_again() {
    let upstream = Upstream::start(|request, mut respond: SendResponse<Bytes>| async move {
        drop(request);
        let _ = respond.send_response(Response::new(()), true);
    })
    .await;
    let node = node(upstream.port);
    let mut requests = client(node.cleartext).await;
    for round in 1..=3 {
        let answer = ask(&mut requests, request("POST", "/s/x", &GRPC), b"x").await.unwrap();
        assert_eq!((answer.status, upstream.connections.get()), (200, 1), "{round}");
    }
}

#[actix_rt::test]
async fn http1_clients_reach_grpc_services_of_http_routes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = Upstream::start(serve).await;
    let node = node(upstream.port);
    let mut io = tokio::net::TcpStream::connect(node.cleartext).await.unwrap();
    io.write_all(
        b"POST /plain HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    )
    .await
    .unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), io.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
}
