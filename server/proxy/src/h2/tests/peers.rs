//! Both ends: a client, and upstreams that answer as they are told.

use ::h2::client::SendRequest;
use ::h2::server::SendResponse;
use ::h2::{RecvStream, SendStream};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A client with prior knowledge.
pub(super) async fn client(address: SocketAddr) -> SendRequest<Bytes> {
    let (requests, connection) = ::h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    actix_rt::spawn(connection);
    requests
}

pub(super) fn request(method: &str, path: &str, lines: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://front.test{path}"));
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// An answer, whole.
pub(super) struct Whole {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Whole {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) async fn whole(answer: Response<RecvStream>) -> Result<Whole, ::h2::Error> {
    let (parts, mut recv) = answer.into_parts();
    let (body, trailers) = drain(&mut recv).await?;
    Ok(Whole { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}

pub(super) async fn drain(recv: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), ::h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data?;
        let _ = recv.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    Ok((body, recv.trailers().await?))
}

pub(super) async fn ask(
    requests: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: &[u8],
) -> Result<Whole, ::h2::Error> {
    poll_fn(|context| requests.poll_ready(context)).await?;
    let (answer, mut send) = requests.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        send_all(&mut send, Bytes::copy_from_slice(body), true).await;
    }
    whole(answer.await?).await
}

/// Sends within the windows; false where the other side wants no more.
pub(super) async fn send_all(send: &mut SendStream<Bytes>, mut data: Bytes, last: bool) -> bool {
    while !data.is_empty() {
        send.reserve_capacity(data.len());
        let Some(Ok(room)) = poll_fn(|context| send.poll_capacity(context)).await else { return false };
        let piece = data.split_to(room.min(data.len()));
        if send.send_data(piece, last && data.is_empty()).is_err() {
            return false;
        }
    }
    true
}

/// An upstream that speaks HTTP/2 and counts its connections.
pub(super) struct Upstream {
    pub port: u16,
    pub connections: Rc<Cell<usize>>,
}

impl Upstream {
    pub async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + Clone + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Rc::new(Cell::new(0));
        let counted = connections.clone();
        actix_rt::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                counted.set(counted.get() + 1);
                let serve = serve.clone();
                actix_rt::spawn(async move {
                    let Ok(mut connection) = ::h2::server::handshake(io).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        actix_rt::spawn(serve(request, respond));
                    }
                });
            }
        });
        Self { port, connections }
    }
}

/// An upstream that speaks HTTP/1: answers what was sent with `answer`, after a whole head (and a chunked body) came.
pub(super) async fn http1(answer: &'static [u8]) -> (u16, Rc<std::cell::RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let noted = seen.clone();
    actix_rt::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let noted = noted.clone();
            actix_rt::spawn(async move {
                let mut text = Vec::new();
                while io.read_buf(&mut text).await.is_ok_and(|count| count > 0) {
                    let all = String::from_utf8_lossy(&text).into_owned();
                    let Some(end) = all.find("\r\n\r\n") else { continue };
                    let chunked = all.contains("Transfer-Encoding: chunked");
                    if chunked && !(all[end + 4..].contains("0\r\n") && all.ends_with("\r\n\r\n")) {
                        continue;
                    }
                    noted.borrow_mut().push(all);
                    text.clear();
                    if io.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, seen)
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
