//! The life of one client connection: request after request, until one side has had enough.

use super::head::{BodyFraming, Frame, Limits, parse};
use super::link::{Link, Source};
use super::refusal::{self, Refusal};
use super::target;
use super::tunnel::tunnel;
use super::write::{self, Length, Persistence};
use crate::life::{Client, live};
use crate::real_ip;
use crate::stream::ClientStream;
use crate::sweep::Deadline;
use crate::upstream::wire::Wire;
use crate::worker::{Ends, FIRST_REQUEST, ListenerContext, Worker};
use bytes::{Buf, Bytes, BytesMut};
use exchange::{Body, Exchange, Headers, Response, Stamp, Timeline, Version};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

/// The rest of a body that is read and thrown away so that the connection can be used again, in bytes.
const DRAIN_LIMIT: u64 = 256 * 1024;

/// How long a client may go on sending after its connection was ended, and how long it may pause (nginx's
/// `lingering_time` and `lingering_timeout`). Closing at once would reset the connection and could take the answer
/// away from the client.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// Serves a client connection until it ends. `ahead`: what was read of it already.
pub async fn serve<S: ClientStream>(
    io: S,
    ahead: BytesMut,
    ends: Ends,
    listener: Arc<ListenerContext>,
    worker: Rc<Worker>,
) {
    let deadline = poll_fn(|context| Poll::Ready(worker.deadlines.register(context.waker()))).await;
    let deadline = Rc::new(deadline);
    let _open = Open::new(&worker);
    let mut link = Link::new(io, worker.clone(), deadline.clone());
    link.input = ahead;
    let link = Rc::new(RefCell::new(link));
    let mut client = H1 {
        link,
        deadline,
        worker: worker.clone(),
        version: Version::Http11,
        keep_alive: true,
        served: 0,
        cut: false,
    };
    loop {
        client.deadline.arm(match client.served {
            0 => worker.settings.client_header_timeout,
            _ => worker.settings.keepalive_timeout,
        });
        let Some(begun) = poll_fn(|context| client.poll_head(context)).await else { break };
        client.deadline.disarm();
        let (mut exchange, refused) = client.receive(begun, &ends, &listener);
        worker.traffic.begin();
        live(&mut client, &mut exchange, refused, &worker).await;
        worker.traffic.end();
        worker.buffers.give_exchange(exchange);
        client.served += 1;
        if client.cut || !client.settle().await {
            break;
        }
    }
    client.close().await;
}

/// A connection that is counted as open; a connection that is dropped is over.
pub(crate) struct Open(Rc<Worker>);

impl Open {
    pub fn new(worker: &Rc<Worker>) -> Self {
        worker.traffic.accept();
        Self(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.traffic.close();
    }
}

/// Answers a client that speaks cleartext to a TLS listener with nginx's page.
pub async fn refuse_cleartext<S: ClientStream>(io: S, worker: Rc<Worker>) {
    let deadline = Rc::new(poll_fn(|context| Poll::Ready(worker.deadlines.register(context.waker()))).await);
    let mut link = Link::new(io, worker.clone(), deadline.clone());
    deadline.arm(worker.settings.client_header_timeout);
    // The request is read as far as it comes at once: closing a connection with unread bytes would reset it.
    let read = poll_fn(|context| match link.poll_fill(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(false),
        read => read.map(|read| matches!(read, Ok(1..))),
    })
    .await;
    if !read {
        return;
    }
    link.input.clear();
    let mut response = Response { status: 400, ..Response::default() };
    if worker.settings.headers.server {
        response.headers.append("Server", crate::product::PRODUCT);
    }
    response.headers.append("Content-Type", "text/html");
    let date = worker.date.at(SystemTime::now());
    let page = refusal::page("The plain HTTP request was sent to HTTPS port");
    let length = Length::Known(page.len() as u64);
    write::response_head(link.out(), &response, length, Persistence::Close, &date);
    link.begin_response(length);
    let _ = link.push(page.into());
    deadline.arm(worker.settings.send_timeout);
    poll_fn(|context| match link.poll_flush(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(()),
        flushed => flushed.map(|_| ()),
    })
    .await;
    linger(&mut link, &deadline, &worker).await;
}

/// Ends our half of a connection and throws away what the client still sends, for a while.
async fn linger<S: ClientStream>(link: &mut Link<S>, deadline: &Deadline, worker: &Worker) {
    deadline.arm(LINGER_PAUSE);
    let shut = poll_fn(|context| match link.poll_shutdown(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(false),
        shut => shut.map(|shut| shut.is_ok()),
    })
    .await;
    if !shut {
        return;
    }
    let end = worker.deadlines.now() + LINGER.as_millis() as u64;
    poll_fn(|context| {
        loop {
            link.input.clear();
            match link.poll_fill(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) if worker.deadlines.now() > end => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => deadline.arm(LINGER_PAUSE),
                Poll::Pending if deadline.expired() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

/// A head that is all there, or will never be.
struct Begun {
    start: Instant,
    /// Whether it took more than one read.
    waited: bool,
    end: Result<usize, Refusal>,
}

/// The HTTP/1 client of one connection.
struct H1<S> {
    link: Rc<RefCell<Link<S>>>,
    deadline: Rc<Deadline>,
    worker: Rc<Worker>,
    version: Version,
    keep_alive: bool,
    served: u64,
    cut: bool,
}

impl<S: ClientStream> H1<S> {
    /// Waits for a request head. `None`: the connection is over.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Option<Begun>> {
        let link = &mut *self.link.borrow_mut();
        let settings = &self.worker.settings;
        let limits = Limits { line: settings.header_line_limit, head: settings.header_limit };
        let mut unread = !link.input.is_empty();
        loop {
            if unread {
                let begin = link.begin.get_or_insert_with(Instant::now);
                let start = *begin;
                let waited = link.waited;
                if link.search.is_needless(&link.input, limits) {
                    return Poll::Ready(Some(Begun { start, waited, end: Ok(link.input.len()) }));
                }
                match link.search.end(&link.input, limits) {
                    Ok(None) => link.waited = true,
                    Ok(Some(end)) => return Poll::Ready(Some(Begun { start, waited, end: Ok(end) })),
                    Err(refusal) => return Poll::Ready(Some(Begun { start, waited, end: Err(refusal) })),
                }
            }
            match link.poll_fill(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {
                    if link.begin.is_none() && self.served > 0 {
                        self.deadline.arm(settings.client_header_timeout);
                    }
                    unread = true;
                }
                Poll::Pending => {
                    let ending = self.worker.is_stopping() && link.input.is_empty();
                    if ending && self.served == 0 {
                        self.deadline.hasten(FIRST_REQUEST);
                    }
                    if self.deadline.expired() || (ending && self.served > 0) {
                        return Poll::Ready(None);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Makes the Exchange of a request from its head.
    fn receive(&mut self, begun: Begun, ends: &Ends, listener: &ListenerContext) -> (Box<Exchange>, Option<Refusal>) {
        let mut exchange = self.worker.buffers.take_exchange();
        let timeline = Timeline::starting(begun.start, self.worker.wall(begun.start));
        exchange.timeline = timeline;
        exchange.id = exchange::RequestId::fresh();
        let mut link = self.link.borrow_mut();
        let search = std::mem::take(&mut link.search);
        link.begin = None;
        link.waited = false;
        let request = &mut exchange.request;
        let read = match begun.end {
            Ok(end) => {
                let read = parse(&link.input[search.skip..end], request);
                let end = read.as_ref().map_or(end, |(_, length)| search.skip + length);
                link.input.advance(end);
                // An idle buffer serves other connections meanwhile, and stays warm.
                link.rest();
                read.map(|(frame, _)| frame)
            }
            Err(refusal) => {
                // What came whole tells what kind of page the client wants.
                let mut head = BytesMut::from(&link.input[search.skip.min(search.complete())..search.complete()]);
                head.extend_from_slice(b"\r\n");
                link.input.clear();
                let _ = parse(&head, request);
                Err(refusal)
            }
        };
        request.scheme = listener.scheme;
        request.port = listener.port;
        request.peer = ends.peer;
        request.local = ends.local;
        request.tls.clone_from(&ends.tls);
        real_ip::settle(request, ends, &self.worker.settings);
        let refused = match read.and_then(|frame| self.accept(&mut link, frame, request)) {
            Ok(()) => None,
            Err(refusal) => {
                self.keep_alive = false;
                link.refused = true;
                request.body = Body::Empty;
                Some(refusal)
            }
        };
        self.version = request.version;
        if begun.waited {
            exchange.timeline.mark(Stamp::Parsed);
        } else {
            // Reading what is there takes less than a look at the clock tells.
            exchange.timeline.mark_at(Stamp::Parsed, 1);
        }
        (exchange, refused)
    }

    /// Takes a parsed head for a request: path and body.
    fn accept(&self, link: &mut Link<S>, frame: Frame, request: &mut exchange::Request) -> Result<(), Refusal> {
        let limit = self.worker.settings.client_max_body_size;
        let Frame { body, keep_alive: _, expects_continue } = &frame;
        let known = matches!(body, BodyFraming::None);
        link.keep_alive = frame.keep_alive;
        let expects_continue = *expects_continue && !known;
        link.begin_body(frame.body, expects_continue, limit);
        refusal::welcome(request)?;
        target::normalize(request)?;
        if limit > 0 && request.content_length.is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge);
        }
        request.body = if known {
            Body::Empty
        } else if let Some(body) = link.body_at_hand() {
            Body::Buffered(body)
        } else {
            Body::Stream(Box::new(Source(self.link.clone())))
        };
        Ok(())
    }

    /// Gets ready for the next request. False: there is none.
    async fn settle(&mut self) -> bool {
        if !self.keep_alive {
            return false;
        }
        self.deadline.disarm();
        let drained = poll_fn(|context| {
            let link = &mut *self.link.borrow_mut();
            loop {
                if link.body.is_done() {
                    return Poll::Ready(true);
                }
                match link.poll_body(context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(None) => return Poll::Ready(true),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        self.link.borrow_mut().rest();
        drained
    }

    /// Ends the connection.
    async fn close(&mut self) {
        if self.cut {
            let link = self.link.borrow();
            if link.ends_with_connection() {
                link.io.reset_on_drop();
            }
            return;
        }
        // Where the client may still be sending, it is listened to for a while.
        let unread = self.served > 0 && {
            let link = self.link.borrow();
            !link.body.is_done() || !link.input.is_empty() || link.refused
        };
        // The link is this task's alone by now: the Exchange that shared it is gone.
        let Some(link) = Rc::get_mut(&mut self.link).map(RefCell::get_mut) else { return };
        if unread {
            linger(link, &self.deadline, &self.worker).await;
        } else {
            self.deadline.arm(LINGER_PAUSE);
            poll_fn(|context| match link.poll_shutdown(context) {
                Poll::Pending if self.deadline.expired() => Poll::Ready(()),
                shut => shut.map(|_| ()),
            })
            .await;
        }
    }

    /// Whether the connection is used on after the response whose head is about to be written.
    fn persistence(&mut self, length: Length) -> Persistence {
        let link = self.link.borrow();
        // The rest of a body can only be thrown away where it is known to be short, and to come.
        let drained = match link.body.left() {
            Some(0) => true,
            Some(left) => left <= DRAIN_LIMIT && !link.body.expects_continue,
            None => false,
        };
        self.keep_alive = self.keep_alive
            && link.keep_alive
            && drained
            && length != Length::Close
            && self.served + 1 < self.worker.settings.keepalive_requests
            && !self.worker.is_stopping();
        if self.keep_alive { Persistence::KeepAlive } else { Persistence::Close }
    }
}

impl<S: ClientStream> Client for H1<S> {
    fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.link.borrow_mut().poll_gone(context)
    }

    fn is_body_done(&self) -> bool {
        self.link.borrow().body.is_done()
    }

    fn informational(&mut self, response: &Response) {
        if self.version >= Version::Http11 {
            write::informational(self.link.borrow_mut().out(), response);
        }
    }

    fn head(&mut self, exchange: &mut Exchange, length: Length, bodiless: bool) {
        let length = match length {
            Length::Chunked if self.version == Version::Http10 => Length::Close,
            length => length,
        };
        let persistence = self.persistence(length);
        let date = self.worker.date.at(exchange.timeline.wall());
        let mut link = self.link.borrow_mut();
        let out = link.out();
        let before = out.len();
        write::response_head(out, &exchange.response, length, persistence, &date);
        exchange.response.head_sent = (out.len() - before) as u64;
        link.begin_response(if bodiless { Length::None } else { length });
    }

    fn switch(&mut self, exchange: &mut Exchange) {
        self.keep_alive = false;
        let date = self.worker.date.at(exchange.timeline.wall());
        let mut link = self.link.borrow_mut();
        let out = link.out();
        let before = out.len();
        write::response_head(out, &exchange.response, Length::None, Persistence::Upgrade, &date);
        exchange.response.head_sent = (out.len() - before) as u64;
    }

    fn is_full(&self) -> bool {
        self.link.borrow().is_full()
    }

    fn push(&mut self, data: Bytes) -> bool {
        self.link.borrow_mut().push(data)
    }

    fn finish(&mut self, trailers: Option<&Headers>) -> bool {
        self.link.borrow_mut().finish(trailers)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.borrow_mut().poll_flush(context)
    }

    fn hurry(&mut self) {
        self.link.borrow_mut().hurry();
    }

    fn cut(&mut self) {
        self.cut = true;
    }

    async fn tunnel(&mut self, wire: Wire, idle: Duration) -> u64 {
        let before = self.link.borrow().sent;
        tunnel(&self.link, wire, &self.deadline, idle).await;
        self.link.borrow().sent - before
    }
}
