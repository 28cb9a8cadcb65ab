//! gRPC through the gateway, with tonic's client and server: every kind of call, metadata, trailers, deadlines, errors.

use e2e::{Gateway, eventually, free_port};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse, uri::PathAndQuery};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

const LIMIT: usize = 16 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    count: u32,
    #[prost(bytes = "vec", tag = "3")]
    picture: Vec<u8>,
}

fn order(name: &str, count: u32) -> Order {
    Order { name: name.into(), count, picture: Vec::new() }
}

/// The service `shop.Orders`.
#[derive(Clone, Default)]
struct Orders {
    /// Calls that their clients gave up.
    abandoned: Arc<AtomicU64>,
}

impl tonic::server::NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl tower::Service<HttpRequest<Body>> for Orders {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let abandoned = self.abandoned.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Order, Order>::default())
                .max_decoding_message_size(LIMIT)
                .max_encoding_message_size(LIMIT);
            Ok(match request.uri().path() {
                "/shop.Orders/Place" => grpc.unary(service_fn(place), request).await,
                "/shop.Orders/Sum" => grpc.client_streaming(service_fn(sum), request).await,
                "/shop.Orders/Watch" => grpc.server_streaming(service_fn(watch), request).await,
                "/shop.Orders/Chat" => grpc.streaming(service_fn(chat), request).await,
                "/shop.Orders/Never" => {
                    let never = |request| never(request, Abandoned(abandoned.clone()));
                    grpc.unary(service_fn(never), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn place(request: Request<Order>) -> Result<Response<Order>, Status> {
    let (metadata, _, order) = request.into_parts();
    if order.name == "refused" {
        let mut trailers = MetadataMap::new();
        trailers.insert("x-why", MetadataValue::from_static("empty"));
        let details = vec![0, 1, 255].into();
        return Err(Status::with_details_and_metadata(
            Code::FailedPrecondition,
            "für heute: ausverkauft 100%",
            details,
            trailers,
        ));
    }
    let mut response = Response::new(Order { count: order.count + 1, ..order });
    if let Some(client) = metadata.get("x-client") {
        response.metadata_mut().insert("x-seen", client.clone());
    }
    if let Some(token) = metadata.get_bin("token-bin") {
        response.metadata_mut().insert_bin("token-bin", token.clone());
    }
    Ok(response)
}

async fn sum(request: Request<Streaming<Order>>) -> Result<Response<Order>, Status> {
    let mut orders = request.into_inner();
    let mut total = 0;
    while let Some(order) = orders.message().await? {
        total += order.count;
    }
    Ok(Response::new(order("sum", total)))
}

type Answers = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

/// As many orders as asked for; then, for the name `fails`, an error in the trailers.
async fn watch(request: Request<Order>) -> Result<Response<Answers>, Status> {
    let Order { name, count, .. } = request.into_inner();
    let mut trailers = MetadataMap::new();
    trailers.insert("x-rest", MetadataValue::from_static("7"));
    let end = (name == "fails").then(|| Err(Status::with_metadata(Code::DataLoss, "the rest is gone", trailers)));
    let answers = (0..count).map(move |at| Ok(order(&name, at))).collect::<Vec<_>>().into_iter().chain(end);
    Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
}

async fn chat(request: Request<Streaming<Order>>) -> Result<Response<Answers>, Status> {
    let answers = request.into_inner().map(|heard| heard.map(|heard| order(&heard.name, heard.count * 2)));
    Ok(Response::new(Box::pin(answers)))
}

struct Abandoned(Arc<AtomicU64>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

async fn never(_: Request<Order>, guard: Abandoned) -> Result<Response<Order>, Status> {
    std::future::pending::<()>().await;
    drop(guard);
    Err(Status::internal("never"))
}

/// A gateway in front of the service: `shop.Orders` is open, `shop.Guarded` asks for a key, `shop.Gone` has no upstream.
struct House {
    gateway: Gateway,
    orders: Orders,
}

impl House {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let upstream = listener.local_addr().expect("an address");
        let orders = Orders::default();
        let server = Server::builder().add_service(orders.clone());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let gateway = tokio::task::spawn_blocking(move || Self::gateway(upstream)).await.expect("a gateway");
        Self { gateway, orders }
    }

    fn gateway(upstream: SocketAddr) -> Gateway {
        let gateway = Gateway::start(&[]);
        let service = |name: &str, port: u16, path: &str, plugins: serde_json::Value| {
            json!({ "name": name, "protocol": "grpc", "host": "127.0.0.1", "port": port, "plugins": plugins,
                "routes": [{ "name": name, "protocols": ["grpc", "grpcs"], "paths": [path] }] })
        };
        let configuration = json!({
            "_format_version": "3.0",
            "services": [
                service("open", upstream.port(), "/shop.Orders", json!([])),
                service("guarded", upstream.port(), "/shop.Guarded", json!([{ "name": "key-auth" }])),
                service("gone", free_port(), "/shop.Gone", json!([])),
            ],
        });
        assert_eq!(gateway.configure(&configuration).status, 201);
        gateway
    }

    async fn client(&self) -> Client {
        let channel = Endpoint::from_shared(format!("http://{}", self.gateway.proxy)).expect("an address");
        let channel = channel.connect().await.expect("HTTP/2 in cleartext");
        let grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(LIMIT).max_encoding_message_size(LIMIT);
        let mut client = Client(grpc);
        // The configuration takes a moment to arrive.
        while client.place(Request::new(order("first", 0))).await.is_err_and(|status| status.code() == Code::NotFound) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client
    }
}

struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn unary(&mut self, path: &'static str, request: Request<Order>) -> Result<Response<Order>, Status> {
        self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        self.0.unary(request, PathAndQuery::from_static(path), ProstCodec::<Order, Order>::default()).await
    }

    async fn place(&mut self, request: Request<Order>) -> Result<Response<Order>, Status> {
        self.unary("/shop.Orders/Place", request).await
    }

    async fn stream(
        &mut self,
        path: &'static str,
        orders: impl Stream<Item = Order> + Send + 'static,
    ) -> Result<Response<Streaming<Order>>, Status> {
        self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let codec = ProstCodec::<Order, Order>::default();
        self.0.streaming(Request::new(orders), PathAndQuery::from_static(path), codec).await
    }
}

#[tokio::test]
async fn a_unary_call_with_metadata_and_a_large_message() {
    let house = House::open().await;
    let mut client = house.client().await;
    let mut request = Request::new(order("tea", 41));
    request.metadata_mut().insert("x-client", MetadataValue::from_static("ann"));
    request.metadata_mut().insert_bin("token-bin", MetadataValue::from_bytes(&[0, 200, 13, 10]));
    let response = client.place(request).await.expect("an answer");
    assert_eq!(response.get_ref(), &order("tea", 42));
    assert_eq!(response.metadata().get("x-seen").expect("metadata"), "ann");
    let token = response.metadata().get_bin("token-bin").and_then(|token| token.to_bytes().ok());
    assert_eq!(token.as_deref(), Some(&[0, 200, 13, 10][..]));
    // Larger than any window of flow control, both ways.
    let picture: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let large = Request::new(Order { picture: picture.clone(), ..order("tea", 1) });
    assert_eq!(client.place(large).await.expect("an answer").into_inner().picture, picture);
}

#[tokio::test]
async fn an_error_keeps_code_message_details_and_trailers() {
    let house = House::open().await;
    let mut client = house.client().await;
    let status = client.place(Request::new(order("refused", 1))).await.expect_err("an error");
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "für heute: ausverkauft 100%"));
    assert_eq!(status.details(), [0, 1, 255]);
    assert_eq!(status.metadata().get("x-why").expect("a trailer"), "empty");
    let status = client.unary("/shop.Orders/Unknown", Request::new(order("", 0))).await.expect_err("an error");
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "no such method"));
}

#[tokio::test]
async fn streams_of_the_client_and_of_the_server() {
    let house = House::open().await;
    let mut client = house.client().await;
    let orders = tokio_stream::iter((1..=1000).map(|count| order("tea", count)));
    let mut answers = client.stream("/shop.Orders/Sum", orders).await.expect("an answer").into_inner();
    assert_eq!(answers.message().await.expect("a message"), Some(order("sum", 500_500)));
    assert_eq!(answers.message().await.expect("the end"), None);

    let asked = tokio_stream::once(order("tea", 500));
    let mut answers = client.stream("/shop.Orders/Watch", asked).await.expect("an answer").into_inner();
    for at in 0..500 {
        assert_eq!(answers.message().await.expect("a message"), Some(order("tea", at)));
    }
    assert_eq!(answers.message().await.expect("the end"), None);
}

#[tokio::test]
async fn trailers_arrive_after_the_messages() {
    let house = House::open().await;
    let mut client = house.client().await;
    let asked = tokio_stream::once(order("fails", 3));
    let mut answers = client.stream("/shop.Orders/Watch", asked).await.expect("an answer").into_inner();
    for at in 0..3 {
        assert_eq!(answers.message().await.expect("a message"), Some(order("fails", at)));
    }
    let status = answers.message().await.expect_err("an error in the trailers");
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "the rest is gone"));
    assert_eq!(status.metadata().get("x-rest").expect("a trailer"), "7");
}

#[tokio::test]
async fn both_sides_talk_at_once() {
    let house = House::open().await;
    let mut client = house.client().await;
    let (say, said) = tokio::sync::mpsc::channel(1);
    let first = say.send(order("a", 1));
    let (first, answers) = tokio::join!(first, client.stream("/shop.Orders/Chat", ReceiverStream::new(said)));
    first.expect("sent");
    let mut answers = answers.expect("an answer").into_inner();
    assert_eq!(answers.message().await.expect("a message"), Some(order("a", 2)));
    // Each answer is waited for before the next is said: nothing may be held back in between.
    for count in 2..50 {
        say.send(order("b", count)).await.expect("sent");
        assert_eq!(answers.message().await.expect("a message"), Some(order("b", count * 2)));
    }
    drop(say);
    assert_eq!(answers.message().await.expect("the end"), None);
}

#[tokio::test]
async fn a_deadline_ends_the_call_on_both_sides() {
    let house = House::open().await;
    let mut client = house.client().await;
    let mut request = Request::new(order("", 0));
    request.set_timeout(Duration::from_millis(300));
    let status = client.unary("/shop.Orders/Never", request).await.expect_err("no answer in time");
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    let abandoned = house.orders.abandoned.clone();
    let waited = tokio::task::spawn_blocking(move || {
        eventually("the server's call ends", || abandoned.load(SeqCst) == 1);
    });
    waited.await.expect("the server hears of it");
    // The connection serves on.
    assert_eq!(client.place(Request::new(order("tea", 1))).await.expect("an answer").into_inner(), order("tea", 2));
}

/// Kong's table of gRPC statuses by HTTP status: 401, 502, 404.
#[tokio::test]
async fn the_gateways_own_refusals_are_statuses() {
    let house = House::open().await;
    let mut client = house.client().await;
    for (path, code) in [
        ("/shop.Guarded/Place", Code::Unauthenticated),
        ("/shop.Gone/Place", Code::Internal),
        ("/shop.Nobody/Place", Code::NotFound),
    ] {
        let status = client.unary(path, Request::new(order("", 0))).await.expect_err("an error");
        assert_eq!(status.code(), code, "{path}: {status:?}");
    }
}
