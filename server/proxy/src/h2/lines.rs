//! HTTP/2 connections to upstreams, per worker. Each carries many requests at a time, so one stays in the pool while
//! it works; a new one is made where all are full, and those who ask meanwhile wait for it.

use super::gathered::Gathered;
use crate::buffers::Buffers;
use crate::sweep::Deadlines;
use crate::upstream::connect::{Endpoint, UpstreamIo, connect_http2};
use crate::upstream::pool::{Key, Limits};
use crate::worker::Worker;
use ::h2::SendStream;
use ::h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use bytes::Bytes;
use exchange::TryError;
use foldhash::fast::RandomState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Requests at a time on one connection; an upstream may want fewer.
const STREAMS: usize = 100;

/// Bytes an upstream may send ahead: on one stream, and on all. A slow client must not hold up the others on the same
/// connection, so there is room for each.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;

/// Bytes of one request that wait for the connection to take them.
const SEND_BUFFER: usize = 64 * 1024;

/// What small DATA frames that no client has taken yet may cost, beyond what windows count; see the client's side. An
/// upstream that exceeds it ends every request on its connection.
const SMALL_FRAMES: usize = 64 << 20;

/// The largest head an upstream may send, in bytes.
const MAX_HEAD: u32 = 64 * 1024;

/// The connections of one worker.
pub struct Lines {
    limits: Limits,
    open: RefCell<HashMap<Key, Vec<Rc<Line>>, RandomState>>,
}

/// One connection.
pub struct Line {
    state: RefCell<State>,
    waiting: RefCell<Vec<Waker>>,
    /// Requests that are on it, or will be.
    live: Cell<usize>,
    requests: Cell<u32>,
    /// ms of the worker's time at which somebody was seen to use it.
    used: Cell<u64>,
}

enum State {
    /// It is being made.
    Dialing,
    /// It serves.
    Open(SendRequest<Bytes>),
    /// It could not be made.
    Failed(TryError),
    /// It has ended, or takes no new requests.
    Closed,
}

/// One request's share of a connection.
pub struct Lease {
    line: Rc<Line>,
    reused: bool,
}

impl Lines {
    /// No connections.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: RefCell::default() }
    }

    /// A share of a connection that is being made, or (`pooled`) is there, where one has room.
    pub fn take(&self, key: &Key, pooled: bool) -> Option<Lease> {
        let mut open = self.open.borrow_mut();
        let lines = open.get_mut(key)?;
        lines.retain(|line| !line.is_over());
        let limit = self.limits.requests;
        let line = lines.iter().find(|line| line.has_room(pooled) && (limit == 0 || line.requests.get() < limit))?;
        Some(Lease::of(line))
    }

    /// A share of a new connection, which is made within `limit` by a task of its own: others wait for it too.
    pub fn dial(self: &Rc<Self>, key: &Key, endpoint: Endpoint, limit: Duration, worker: &Worker) -> Lease {
        let (deadlines, buffers) = (worker.deadlines.clone(), worker.buffers.clone());
        let line = Rc::new(Line {
            state: RefCell::new(State::Dialing),
            waiting: RefCell::default(),
            live: Cell::new(0),
            requests: Cell::new(0),
            used: Cell::new(deadlines.now()),
        });
        self.open.borrow_mut().entry(key.clone()).or_default().push(line.clone());
        let lease = Lease::of(&line);
        let (lines, key) = (self.clone(), key.clone());
        actix_rt::spawn(async move {
            match establish(&endpoint, limit, &deadlines, buffers).await {
                Ok((requests, connection)) => {
                    line.settle(State::Open(requests));
                    if let Err(error) = connection.await {
                        tracing::info!(upstream = %key.address, %error, "an HTTP/2 connection to an upstream failed");
                    }
                    line.settle(State::Closed);
                }
                Err(error) => line.settle(State::Failed(error)),
            }
            lines.remove(&key, &line);
        });
        lease
    }

    fn remove(&self, key: &Key, line: &Rc<Line>) {
        let mut open = self.open.borrow_mut();
        if let Some(lines) = open.get_mut(key) {
            lines.retain(|other| !Rc::ptr_eq(other, line));
            if lines.is_empty() {
                open.remove(key);
            }
        }
    }

    /// Lets go of what nobody has used for too long, and of what has served enough requests. A connection ends when
    /// the last request on it has.
    pub fn sweep(&self, now: u64) {
        let Limits { idle, requests, .. } = self.limits;
        self.open.borrow_mut().retain(|_, lines| {
            lines.retain(|line| {
                if line.live.get() > 0 {
                    line.used.set(now);
                }
                let young = idle == 0 || now.saturating_sub(line.used.get()) < idle;
                let fresh = requests == 0 || line.requests.get() < requests;
                let kept = young && fresh && !line.is_over();
                if !kept && matches!(*line.state.borrow(), State::Open(_)) {
                    line.settle(State::Closed);
                }
                kept
            });
            !lines.is_empty()
        });
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.open.borrow().values().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

async fn establish(
    endpoint: &Endpoint,
    limit: Duration,
    deadlines: &Rc<Deadlines>,
    buffers: Rc<Buffers>,
) -> Result<(SendRequest<Bytes>, Connection<Gathered<UpstreamIo>, Bytes>), TryError> {
    let deadline = poll_fn(|context| Poll::Ready(deadlines.register(context.waker()))).await;
    deadline.arm(limit);
    let mut connecting = pin!(async {
        let io = connect_http2(endpoint).await.map_err(|error| error.of_try())?;
        builder().handshake(Gathered::new(io, buffers)).await.map_err(|_| TryError::Send)
    });
    poll_fn(|context| match connecting.as_mut().poll(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(Err(TryError::ConnectTimeout)),
        connected => connected,
    })
    .await
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(STREAMS)
        .max_concurrent_streams(0)
        .max_header_list_size(MAX_HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(SMALL_FRAMES)
        .max_concurrent_reset_streams(STREAMS);
    builder
}

impl Line {
    fn settle(&self, state: State) {
        *self.state.borrow_mut() = state;
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Failed(_) | State::Closed)
    }

    fn has_room(&self, pooled: bool) -> bool {
        match &*self.state.borrow() {
            State::Dialing => self.live.get() < STREAMS,
            State::Open(requests) => pooled && self.live.get() < requests.current_max_send_streams().min(STREAMS),
            State::Failed(_) | State::Closed => false,
        }
    }
}

impl Lease {
    fn of(line: &Rc<Line>) -> Self {
        line.live.set(line.live.get() + 1);
        let reused = line.requests.get() > 0;
        line.requests.set(line.requests.get().saturating_add(1));
        Self { line: line.clone(), reused }
    }

    /// Whether the connection served a request before.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Whether the connection serves already.
    pub fn is_open(&self) -> bool {
        matches!(*self.line.state.borrow(), State::Open(_))
    }

    /// Ready when the connection serves, or never will.
    pub fn poll_open(&self, context: &mut Context<'_>) -> Poll<Result<(), TryError>> {
        match &*self.line.state.borrow() {
            State::Open(_) => Poll::Ready(Ok(())),
            State::Failed(error) => Poll::Ready(Err(*error)),
            State::Closed => Poll::Ready(Err(TryError::Closed)),
            State::Dialing => {
                let mut waiting = self.line.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Opens a stream.
    pub(super) fn open(
        &mut self,
        request: http::Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), ::h2::Error> {
        let state = self.line.state.borrow();
        let State::Open(requests) = &*state else { return Err(::h2::Reason::REFUSED_STREAM.into()) };
        let mut requests = requests.clone();
        drop(state);
        let opened = requests.send_request(request, ended);
        if opened.is_err() {
            // It takes no more requests; those on it go on.
            self.line.settle(State::Closed);
        }
        opened
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.line.live.set(self.line.live.get() - 1);
    }
}
