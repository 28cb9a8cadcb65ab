//! The life of one client connection: streams are taken, served as tasks of their own, and counted.

use super::metered::Metered;
use super::stream::{H2, Link};
use crate::h1::connection::Open;
use crate::life::live;
use crate::stream::ClientStream;
use crate::sweep::Deadline;
use crate::worker::{Ends, ListenerContext, Worker};
use ::h2::server::{Builder, Connection, SendResponse};
use ::h2::{Reason, RecvStream};
use bytes::{Bytes, BytesMut};
use exchange::{RequestId, Stamp, Timeline};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// Streams a client may have open at a time, and that are worked on at a time for one connection: a stream that was
/// taken back counts until its work has ended.
const STREAMS: u32 = 128;

/// Bytes of body a client may send ahead: on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of one response that wait for the connection to take them.
const SEND_BUFFER: usize = 64 * 1024;

/// What small DATA frames that nobody has read yet may cost, beyond what windows count: up to 256 for each. A message of
/// gRPC is a frame, so thousands of them must be able to wait for a slow upstream.
const SMALL_FRAMES: usize = 8 << 20;

/// Streams a client may take back before they are looked at; more of them at a time end the connection
/// (CVE-2023-44487).
const RESETS_UNSEEN: usize = 32;

/// By how many more streams taken back than answered the connection is ended.
const CANCELLED: u32 = 500;

/// How long a client has to end its connection after it was told to.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves a client connection until it ends. `ahead`: what was read of it already.
pub async fn serve<S: ClientStream>(
    io: S,
    ahead: BytesMut,
    ends: Ends,
    listener: Arc<ListenerContext>,
    worker: Rc<Worker>,
) {
    let deadline = poll_fn(|context| Poll::Ready(worker.deadlines.register(context.waker()))).await;
    let _open = Open::new(&worker);
    let written = Rc::new(Cell::new(0));
    let io = Metered::new(io, ahead, worker.buffers.clone(), written.clone());
    deadline.arm(worker.settings.client_header_timeout);
    let mut shaking = pin!(builder(&worker).handshake::<_, Bytes>(io));
    let connection = poll_fn(|context| match shaking.as_mut().poll(context) {
        Poll::Ready(connection) => Poll::Ready(connection.ok()),
        Poll::Pending if deadline.expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    let Some(connection) = connection else { return };
    let work = Rc::new(Work {
        worker,
        ends,
        listener,
        live: Cell::new(0),
        cancelled: Cell::new(0),
        waker: RefCell::new(None),
    });
    let mut server =
        Server { connection, work, deadline, written, seen: 0, waits: Waits::Work, served: 0, leaving: false };
    poll_fn(|context| server.poll(context)).await;
}

fn builder(worker: &Worker) -> Builder {
    // Twice the limit is read, so that a head beyond it gets the page that says so; far beyond it, `h2` answers 431 or
    // ends the connection.
    let head = u32::try_from(worker.settings.header_limit.saturating_mul(2)).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(SMALL_FRAMES)
        .max_pending_accept_reset_streams(RESETS_UNSEEN)
        .max_concurrent_reset_streams(STREAMS as usize)
        .enable_connect_protocol();
    builder
}

/// What a connection waits for when no stream is worked on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Streams are worked on; each keeps its own time.
    Work,
    /// The next request.
    Idle,
    /// The client, to take what is left.
    Drain,
    /// The client, to close.
    End,
}

/// What the streams of a connection share.
struct Work {
    worker: Rc<Worker>,
    ends: Ends,
    listener: Arc<ListenerContext>,
    /// Tasks of streams.
    live: Cell<u32>,
    cancelled: Cell<u32>,
    /// The connection's task.
    waker: RefCell<Option<Waker>>,
}

/// A stream that is worked on; its end is the connection's business.
struct Working(Rc<Work>);

impl Drop for Working {
    fn drop(&mut self) {
        let live = self.0.live.get() - 1;
        self.0.live.set(live);
        if (live == 0 || live == STREAMS - 1)
            && let Some(waker) = self.0.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

struct Server<S: ClientStream> {
    connection: Connection<Metered<S>, Bytes>,
    work: Rc<Work>,
    deadline: Deadline,
    written: Rc<Cell<u64>>,
    /// Bytes that had been written when the deadline was armed.
    seen: u64,
    waits: Waits,
    served: u64,
    leaving: bool,
}

impl<S: ClientStream> Server<S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.leaving
                && (self.work.worker.is_stopping() || self.served >= self.work.worker.settings.keepalive_requests)
            {
                self.leaving = true;
                self.waits = Waits::Work;
                self.connection.graceful_shutdown();
            }
            if self.work.cancelled.get() > CANCELLED {
                self.work.cancelled.set(0);
                self.leaving = true;
                tracing::info!(peer = ?self.work.ends.peer, "a client takes back one request after the other");
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            // Full: bytes move on, new streams wait.
            let polled = if self.work.live.get() >= STREAMS {
                self.connection.poll_closed(context).map(|_| None)
            } else {
                self.connection.poll_accept(context).map(|accepted| accepted.and_then(Result::ok))
            };
            match polled {
                Poll::Ready(Some((request, respond))) => self.begin(request, respond),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {
                    let mut waker = self.work.waker.borrow_mut();
                    if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                        *waker = Some(context.waker().clone());
                    }
                    drop(waker);
                    if !self.is_late() {
                        return Poll::Pending;
                    }
                    if self.waits != Waits::Idle || self.leaving {
                        return Poll::Ready(());
                    }
                    // No stream is open, so nothing is lost; one that is on its way was not taken, which the client
                    // can tell by the number in GOAWAY.
                    self.leaving = true;
                    self.waits = Waits::End;
                    self.deadline.arm(FAREWELL);
                    self.connection.abrupt_shutdown(Reason::NO_ERROR);
                }
            }
        }
    }

    fn begin(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.served += 1;
        self.work.live.set(self.work.live.get() + 1);
        actix_rt::spawn(stream(request, respond, Working(self.work.clone())));
    }

    /// Keeps the time of a connection without work. True: it is over.
    fn is_late(&mut self) -> bool {
        let waits = match () {
            () if self.work.live.get() > 0 => Waits::Work,
            () if self.waits == Waits::End => Waits::End,
            () if self.connection.has_streams() => Waits::Drain,
            () => Waits::Idle,
        };
        let settings = &self.work.worker.settings;
        let moved = waits == Waits::Drain && self.seen != self.written.get();
        if waits != self.waits || moved {
            self.seen = self.written.get();
            self.waits = waits;
            match waits {
                Waits::Work => self.deadline.disarm(),
                Waits::Idle if self.leaving => self.deadline.arm(FAREWELL),
                Waits::Idle => self.deadline.arm(settings.keepalive_timeout),
                Waits::Drain => self.deadline.arm(settings.send_timeout),
                Waits::End => {}
            }
        }
        waits != Waits::Work && self.deadline.expired()
    }
}

/// Serves one stream.
async fn stream(request: http::Request<RecvStream>, respond: SendResponse<Bytes>, working: Working) {
    let Work { worker, ends, listener, cancelled, .. } = &*working.0;
    let timeline = Timeline::starting(Instant::now(), SystemTime::now());
    let (parts, recv) = request.into_parts();
    let mut exchange = worker.buffers.take_exchange();
    exchange.timeline = timeline;
    exchange.id = RequestId::fresh();
    let deadline = Rc::new(poll_fn(|context| Poll::Ready(worker.deadlines.register(context.waker()))).await);
    let mut client = H2::new(Link::new(worker.clone(), deadline, recv, respond));
    let refused =
        poll_fn(|context| Poll::Ready(client.receive(&parts, ends, listener, &mut exchange.request, context))).await;
    exchange.timeline.mark(Stamp::Parsed);
    worker.traffic.begin();
    live(&mut client, &mut exchange, refused, worker).await;
    worker.traffic.end();
    worker.buffers.give_exchange(exchange);
    cancelled.set(match client.end().await {
        true => cancelled.get() + 1,
        false => cancelled.get().saturating_sub(1),
    });
}
