//! gRPC services for clients that do not speak gRPC: grpc-web and grpc-gateway in front of tonic's server.

use e2e::{Gateway, Reply, eventually, request};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    times: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Told {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(string, repeated, tag = "2")]
    rest: Vec<String>,
}

/// The service `hello.Hello` of `data/grpc/hello.proto`, but for `Missing`.
#[derive(Clone)]
struct Hello;

impl tonic::server::NamedService for Hello {
    const NAME: &'static str = "hello.Hello";
}

impl tower::Service<HttpRequest<Body>> for Hello {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Told, Greeting>::default());
            Ok(match request.uri().path() {
                "/hello.Hello/Say" => grpc.unary(service_fn(say), request).await,
                "/hello.Hello/Watch" => grpc.server_streaming(service_fn(watch), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn say(request: Request<Greeting>) -> Result<Response<Told>, Status> {
    let greeting = request.into_inner();
    match greeting.name.as_str() {
        "nobody" => Err(Status::not_found("nobody is here")),
        name => {
            Ok(Response::new(Told { text: format!("hello {name}"), rest: vec!["!".into(); greeting.times as usize] }))
        }
    }
}

type Telling = Pin<Box<dyn Stream<Item = Result<Told, Status>> + Send>>;

async fn watch(request: Request<Greeting>) -> Result<Response<Telling>, Status> {
    let name = request.into_inner().name;
    let mut tellings: Vec<_> = (1..=3).map(|at| Ok(Told { text: format!("{name} {at}"), rest: Vec::new() })).collect();
    if name == "fails" {
        tellings.push(Err(Status::data_loss("the rest is gone")));
    }
    Ok(Response::new(Box::pin(tokio_stream::iter(tellings))))
}

/// A gateway in front of the service: gRPC-Web at `/hello.Hello`, JSON at `/v1`.
fn house() -> Gateway {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
            tell.send(listener.local_addr().expect("an address")).expect("somebody waits");
            Server::builder().add_service(Hello).serve_with_incoming(TcpListenerStream::new(listener)).await
        })
    });
    let upstream = told.recv().expect("a server");
    let gateway = Gateway::start(&[]);
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/grpc/hello.proto");
    let route = |name: &str, path: &str, plugin: &str, config: Value| json!({ "name": name, "paths": [path], "plugins": [{ "name": plugin, "config": config }] });
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{ "name": "hello", "protocol": "grpc", "host": "127.0.0.1", "port": upstream.port(), "routes": [
            route("web", "/hello.Hello", "grpc-web", json!({ "proto": proto })),
            route("stripped", "/web", "grpc-web", json!({ "proto": proto, "pass_stripped_path": true })),
            route("json", "/v1", "grpc-gateway", json!({ "proto": proto })),
        ] }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("the configuration arrives", || ask(&gateway, "GET", "/v1/other", "", b"").status != 404);
    gateway
}

fn ask(gateway: &Gateway, method: &str, path: &str, kind: &str, body: &[u8]) -> Reply {
    request(gateway.proxy, method, path, &[("Content-Type", kind)], body).expect("an answer")
}

fn framed(kind: u8, message: &[u8]) -> Vec<u8> {
    [&[kind], (message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

#[test]
fn browsers_call_grpc_services() {
    let gateway = house();
    let ann = prost::Message::encode_to_vec(&Greeting { name: "ann".into(), times: 0 });
    let told = prost::Message::encode_to_vec(&Told { text: "hello ann".into(), rest: Vec::new() });
    let good = framed(0x80, b"grpc-status:0\r\ngrpc-message:\r\n");

    let binary = ask(&gateway, "POST", "/hello.Hello/Say", "application/grpc-web+proto", &framed(0, &ann));
    assert_eq!((binary.status, binary.header("content-type")), (200, Some("application/grpc-web+proto")));
    assert_eq!(binary.header("access-control-allow-origin"), Some("*"));
    assert_eq!(binary.body, [framed(0, &told), good.clone()].concat());

    // `heya`, as Kong's own users send it.
    let text = ask(&gateway, "POST", "/hello.Hello/Say", "application/grpc-web-text", b"AAAAAAYKBGhleWE=");
    assert_eq!(text.text(), "AAAAAAwKCmhlbGxvIGhleWE=gAAAAB5ncnBjLXN0YXR1czowDQpncnBjLW1lc3NhZ2U6DQo=");

    let json = ask(&gateway, "POST", "/hello.Hello/Say", "application/json", br#"{"name":"ann","times":1}"#);
    assert_eq!(json.json(), json!({ "text": "hello ann", "rest": ["!"] }));

    let framed_json =
        ask(&gateway, "POST", "/hello.Hello/Say", "application/grpc-web+json", &framed(0, br#"{"name":"ann"}"#));
    assert_eq!(framed_json.body, [framed(0, br#"{"text":"hello ann","rest":[]}"#), good.clone()].concat());

    let stripped = ask(&gateway, "POST", "/web/hello.Hello/Say", "application/json", br#"{"name":"ann"}"#);
    assert_eq!(stripped.json()["text"], "hello ann");

    // Errors are told in the last frame, whether they come in trailers or in the head.
    let nobody = prost::Message::encode_to_vec(&Greeting { name: "nobody".into(), times: 0 });
    let refused = ask(&gateway, "POST", "/hello.Hello/Say", "application/grpc-web", &framed(0, &nobody));
    let end = framed(0x80, b"grpc-status:5\r\ngrpc-message:nobody%20is%20here\r\n");
    assert_eq!((refused.status, refused.body), (200, end));
    let fails = prost::Message::encode_to_vec(&Greeting { name: "fails".into(), times: 0 });
    let broken = ask(&gateway, "POST", "/hello.Hello/Watch", "application/grpc-web", &framed(0, &fails));
    assert!(broken.body.ends_with(&framed(0x80, b"grpc-status:15\r\ngrpc-message:the%20rest%20is%20gone\r\n")));

    let preflight = ask(&gateway, "OPTIONS", "/hello.Hello/Say", "", b"");
    assert_eq!((preflight.status, preflight.text().as_str()), (200, "OK"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
}

#[test]
fn json_over_http_becomes_calls() {
    let gateway = house();
    let get = |path: &str| ask(&gateway, "GET", path, "", b"");
    let said = get("/v1/hello/ann?times=2");
    assert_eq!((said.status, said.header("content-type")), (200, Some("application/json")));
    assert_eq!(said.json(), json!({ "text": "hello ann", "rest": ["!", "!"] }));
    let posted = ask(&gateway, "POST", "/v1/hello", "application/json", br#"{"name":"bob"}"#);
    assert_eq!(posted.json(), json!({ "text": "hello bob", "rest": [] }));
    assert_eq!(
        get("/v1/watch/x").text(),
        r#"{"text":"x 1","rest":[]}{"text":"x 2","rest":[]}{"text":"x 3","rest":[]}"#
    );
    let missing = get("/v1/missing/ann");
    assert_eq!((missing.status, missing.header("grpc-status")), (500, Some("12")));
    let nobody = get("/v1/hello/nobody");
    assert_eq!((nobody.status, nobody.header("grpc-message")), (404, Some("nobody%20is%20here")));
    assert_eq!(get("/v1/other").status, 400);
    let broken = ask(&gateway, "POST", "/v1/hello", "application/json", br#"{"name":"#);
    assert!(broken.status == 400 && broken.text().starts_with("decode json err: "));
}
