//! One stream of a client's connection: the request's body in, the response out. Everything here is polled.

use super::fields::{trailer_map, trailers_of};
use super::request::{self, Opening};
use super::response;
use super::tunnel::tunnel;
use crate::h1::head::Limits;
use crate::h1::refusal::{self, Refusal};
use crate::h1::target;
use crate::h1::write::Length;
use crate::life::Client;
use crate::real_ip;
use crate::sweep::Deadline;
use crate::upstream::wire::Wire;
use crate::worker::{Ends, ListenerContext, Worker};
use ::h2::server::SendResponse;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::{Bytes, BytesMut};
use exchange::{Body, BodyError, BodySource, Exchange, Headers, Response};
use http::HeaderMap;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What of a body is taken with its head when it is there already, in bytes.
const AT_HAND: usize = 64 * 1024;

/// What of a response waits in front of the connection's own buffer, in bytes.
const QUEUE_LIMIT: usize = 16 * 1024;

/// A piece smaller than this is put together with those after it, in bytes.
const SMALL: usize = 4096;

/// The stream, shared by the task that serves it and the body source of its request.
pub(super) struct Link {
    worker: Rc<Worker>,
    deadline: Rc<Deadline>,
    pub recv: RecvStream,
    /// What was read of the body with its head.
    ahead: Option<Bytes>,
    trailers: Option<Headers>,
    expects_continue: bool,
    body_done: bool,
    broken: bool,
    /// The client's DATA is the tunnel's, not a body's.
    tunnels: bool,
    received: u64,
    armed: bool,
    respond: SendResponse<Bytes>,
    pub send: Option<SendStream<Bytes>>,
    head: Option<http::Response<()>>,
    queue: VecDeque<Bytes>,
    /// Small pieces behind the queue, which go together: a client may count frames.
    tail: BytesMut,
    queued: usize,
    /// Bytes that the head still promises, where it says how many.
    promised: Option<u64>,
    closing: Option<HeaderMap>,
    ended: bool,
    over: bool,
    /// The response must not end as if it were whole.
    cut: bool,
    /// Whether the client took the request back.
    pub cancelled: bool,
}

impl Link {
    pub fn new(worker: Rc<Worker>, deadline: Rc<Deadline>, recv: RecvStream, respond: SendResponse<Bytes>) -> Self {
        Self {
            worker,
            deadline,
            recv,
            ahead: None,
            trailers: None,
            expects_continue: false,
            body_done: false,
            broken: false,
            tunnels: false,
            received: 0,
            armed: false,
            respond,
            send: None,
            head: None,
            queue: VecDeque::new(),
            tail: BytesMut::new(),
            queued: 0,
            promised: None,
            closing: None,
            ended: false,
            over: false,
            cut: false,
            cancelled: false,
        }
    }

    /// Takes what is there of the body; true where it is all of it, without trailers.
    fn take_at_hand(&mut self, context: &mut Context<'_>) -> Result<bool, BodyError> {
        if self.recv.is_end_stream() {
            self.body_done = true;
            return Ok(true);
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        let whole = loop {
            match self.poll_data(context) {
                Poll::Ready(Some(Ok(data))) if first.is_empty() && rest.is_empty() => first = data,
                Poll::Ready(Some(Ok(data))) => {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                    rest.extend_from_slice(&data);
                }
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => break self.trailers.is_none(),
                Poll::Pending => break false,
            }
            if first.len() + rest.len() >= AT_HAND {
                break false;
            }
        };
        let begin = if rest.is_empty() { first } else { rest.freeze() };
        self.ahead = (!begin.is_empty()).then_some(begin);
        Ok(whole)
    }

    /// The next DATA from the connection; `None` at the end, after which the trailers are known.
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match ready!(self.recv.poll_data(context)) {
                Some(Ok(data)) => {
                    // One piece at a time leaves this window: whoever asks for the next has disposed of the last.
                    let _ = self.recv.flow_control().release_capacity(data.len());
                    self.armed = false;
                    self.received += data.len() as u64;
                    let limit = self.worker.settings.client_max_body_size;
                    if limit > 0 && self.received > limit {
                        return self.break_off(BodyError::TooLarge { limit });
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return self.fail(&error),
                None => match ready!(self.recv.poll_trailers(context)) {
                    Ok(trailers) => {
                        self.trailers = trailers.as_ref().and_then(trailers_of);
                        self.body_done = true;
                        return Poll::Ready(None);
                    }
                    Err(error) => return self.fail(&error),
                },
            }
        }
    }

    fn fail(&mut self, error: &::h2::Error) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.cancelled |= error.is_remote() && error.is_reset();
        self.break_off(BodyError::Closed)
    }

    fn break_off(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.broken = true;
        Poll::Ready(Some(Err(error)))
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(data) = self.ahead.take() {
            return Poll::Ready(Some(Ok(data)));
        }
        if self.broken {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        if self.body_done {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.expects_continue) && self.head.is_none() && self.send.is_none() {
            let mut head = http::Response::new(());
            *head.status_mut() = http::StatusCode::CONTINUE;
            let _ = self.respond.send_informational(head);
        }
        if let Poll::Ready(read) = self.poll_data(context) {
            return Poll::Ready(read);
        }
        if !std::mem::replace(&mut self.armed, true) {
            self.deadline.arm(self.worker.settings.client_body_timeout);
        } else if self.deadline.expired() {
            return self.break_off(BodyError::Timeout);
        }
        Poll::Pending
    }

    /// Hands what is queued to the connection, as far as the client's windows and the connection's buffer go.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gather_tail();
        if let Some(head) = self.head.take() {
            let last = self.ends_now();
            self.over |= last;
            self.send = Some(self.respond.send_response(head, last).map_err(broken)?);
        }
        let Some(send) = &mut self.send else { return Poll::Ready(Ok(())) };
        while let Some(data) = self.queue.front_mut() {
            send.reserve_capacity(self.queued);
            let room = match send.capacity() {
                0 => match ready!(send.poll_capacity(context)) {
                    Some(room) => room.map_err(broken)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                room => room,
            };
            let piece = data.split_to(room.min(data.len()));
            if data.is_empty() {
                self.queue.pop_front();
            }
            self.queued -= piece.len();
            let last = self.ended && self.closing.is_none() && self.queue.is_empty();
            self.over |= last;
            send.send_data(piece, last).map_err(broken)?;
        }
        if self.ended && !std::mem::replace(&mut self.over, true) {
            match self.closing.take() {
                Some(trailers) => send.send_trailers(trailers).map_err(broken)?,
                None => send.send_data(Bytes::new(), true).map_err(broken)?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn gather_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn ends_now(&self) -> bool {
        self.ended && self.closing.is_none() && self.queue.is_empty()
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.send {
            Some(send) => ready!(send.poll_reset(context)),
            None => ready!(self.respond.poll_reset(context)),
        };
        self.cancelled |= reset.is_ok();
        Poll::Ready(())
    }
}

fn broken(error: ::h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

/// The request's body, as plugins and the upstream's side see it.
struct Source(Rc<RefCell<Link>>);

impl BodySource for Source {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.0.borrow_mut().poll_body(context)
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.0.borrow_mut().trailers.take()
    }
}

/// The HTTP/2 client of one stream.
pub(super) struct H2 {
    pub link: Rc<RefCell<Link>>,
    deadline: Rc<Deadline>,
    worker: Rc<Worker>,
}

impl H2 {
    pub fn new(link: Link) -> Self {
        Self { deadline: link.deadline.clone(), worker: link.worker.clone(), link: Rc::new(RefCell::new(link)) }
    }

    /// Makes the request of an Exchange from its head, and from what is there of its body.
    pub fn receive(
        &mut self,
        parts: &http::request::Parts,
        ends: &Ends,
        listener: &ListenerContext,
        request: &mut exchange::Request,
        context: &mut Context<'_>,
    ) -> Option<Refusal> {
        let settings = &self.worker.settings;
        let limits = Limits { line: settings.header_line_limit, head: settings.header_limit };
        let read = request::read(parts, limits, request);
        request.scheme = listener.scheme;
        request.port = listener.port;
        request.peer = ends.peer;
        request.local = ends.local;
        request.tls.clone_from(&ends.tls);
        real_ip::settle(request, ends, settings);
        match read.and_then(|opening| self.accept(opening, request, context)) {
            Ok(()) => None,
            Err(refusal) => {
                request.body = Body::Empty;
                Some(refusal)
            }
        }
    }

    fn accept(
        &mut self,
        opening: Opening,
        request: &mut exchange::Request,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        refusal::welcome(request)?;
        target::normalize(request)?;
        let limit = self.worker.settings.client_max_body_size;
        if limit > 0 && request.content_length.is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge);
        }
        let mut link = self.link.borrow_mut();
        link.expects_continue = opening.expects_continue;
        link.tunnels = opening.tunnels;
        if opening.tunnels {
            request.body = Body::Empty;
            return Ok(());
        }
        request.body = match link.take_at_hand(context) {
            Ok(true) => link.ahead.take().map_or(Body::Empty, Body::Buffered),
            Ok(false) => Body::Stream(Box::new(Source(self.link.clone()))),
            Err(BodyError::TooLarge { .. }) => return Err(Refusal::TooLarge),
            // Whoever reads the body finds that it broke off.
            Err(_) => Body::Stream(Box::new(Source(self.link.clone()))),
        };
        Ok(())
    }

    /// Ends the stream. True where the client took the request back.
    pub async fn end(self) -> bool {
        let (cut, begun) = {
            let link = self.link.borrow();
            (link.cut && !link.over, link.send.is_some())
        };
        if cut && begun {
            // A reset overtakes what waits; the connection's task takes that first.
            tokio::task::yield_now().await;
        }
        let mut link = self.link.borrow_mut();
        if cut {
            match &mut link.send {
                Some(send) => send.send_reset(Reason::INTERNAL_ERROR),
                None => link.respond.send_reset(Reason::CANCEL),
            }
        }
        link.cancelled
    }
}

impl Client for H2 {
    fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.link.borrow_mut().poll_gone(context)
    }

    fn is_body_done(&self) -> bool {
        let link = self.link.borrow();
        link.body_done || link.tunnels
    }

    fn informational(&mut self, response: &Response) {
        let mut link = self.link.borrow_mut();
        if response.status != 101 && link.head.is_none() && link.send.is_none() {
            let _ = link.respond.send_informational(response::informational(response));
        }
    }

    fn head(&mut self, exchange: &mut Exchange, length: Length, bodiless: bool) {
        let date = self.worker.date.at(exchange.timeline.wall());
        let mut link = self.link.borrow_mut();
        // Success would tell the client that its tunnel is open, which the upstream has not said.
        if link.tunnels && (200..300).contains(&exchange.response.status) {
            exchange.response.status = 502;
        }
        let head = response::head(&exchange.response, length, &date);
        exchange.response.head_sent = response::size(&head);
        link.head = Some(head);
        link.promised = match length {
            Length::Known(length) if !bodiless => Some(length),
            _ => None,
        };
    }

    fn switch(&mut self, exchange: &mut Exchange) {
        let date = self.worker.date.at(exchange.timeline.wall());
        let head = response::tunnel(&exchange.response, &date);
        exchange.response.head_sent = response::size(&head);
        self.link.borrow_mut().head = Some(head);
    }

    fn is_full(&self) -> bool {
        self.link.borrow().queued >= QUEUE_LIMIT
    }

    fn push(&mut self, data: Bytes) -> bool {
        let mut link = self.link.borrow_mut();
        if data.is_empty() {
            return true;
        }
        if let Some(promised) = link.promised {
            let Some(left) = promised.checked_sub(data.len() as u64) else { return false };
            link.promised = Some(left);
        }
        link.queued += data.len();
        if data.len() >= SMALL || (link.queue.is_empty() && link.tail.is_empty()) {
            link.gather_tail();
            link.queue.push_back(data);
        } else {
            if link.tail.is_empty() {
                link.tail.reserve(QUEUE_LIMIT);
            }
            link.tail.extend_from_slice(&data);
        }
        true
    }

    fn finish(&mut self, trailers: Option<&Headers>) -> bool {
        let mut link = self.link.borrow_mut();
        if link.promised.is_some_and(|left| left > 0) {
            return false;
        }
        link.ended = true;
        link.closing = trailers.and_then(trailer_map);
        true
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.borrow_mut().poll_flush(context)
    }

    fn cut(&mut self) {
        self.link.borrow_mut().cut = true;
    }

    async fn tunnel(&mut self, wire: Wire, idle: Duration) -> u64 {
        tunnel(&self.link, wire, &self.deadline, idle).await
    }
}
