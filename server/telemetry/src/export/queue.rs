//! The bounded way from those who make spans to the thread that exports them.

use crate::trace::Span;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What became of spans, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped because too many were waiting.
    pub dropped: u64,
    /// Given up: the collector was gone too long, or refused them.
    pub failed: u64,
    /// Waiting, those on their way included.
    pub waiting: u64,
}

/// The room that spans may take.
#[derive(Debug)]
pub(super) struct Room {
    max_spans: usize,
    max_bytes: usize,
    spans: AtomicUsize,
    bytes: AtomicUsize,
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Spans that belong together, with the room they take.
#[derive(Debug)]
pub(super) struct Parcel {
    pub spans: Vec<Span>,
    pub bytes: usize,
}

/// Where finished spans are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: UnboundedSender<Parcel>,
    room: Arc<Room>,
}

impl Queue {
    pub(super) fn new(max_spans: usize, max_bytes: usize) -> (Self, UnboundedReceiver<Parcel>) {
        let (sender, receiver) = unbounded_channel();
        let room = Room {
            max_spans,
            max_bytes,
            spans: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            exported: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        (Self { sender, room: Arc::new(room) }, receiver)
    }

    /// Hands spans in, all or none. Never waits.
    pub fn push(&self, spans: Vec<Span>) {
        if spans.is_empty() {
            return;
        }
        let parcel = Parcel { bytes: spans.iter().map(Span::size).sum(), spans };
        let count = parcel.spans.len();
        if !self.room.enter(count, parcel.bytes) {
            self.room.dropped.fetch_add(count as u64, Relaxed);
        } else if let Err(refused) = self.sender.send(parcel) {
            self.room.leave(count, refused.0.bytes);
            self.room.dropped.fetch_add(count as u64, Relaxed);
        }
    }

    /// What became of the spans so far.
    pub fn counts(&self) -> Counts {
        Counts {
            exported: self.room.exported.load(Relaxed),
            dropped: self.room.dropped.load(Relaxed),
            failed: self.room.failed.load(Relaxed),
            waiting: self.room.spans.load(Relaxed) as u64,
        }
    }

    pub(super) fn room(&self) -> Arc<Room> {
        self.room.clone()
    }
}

impl Room {
    fn enter(&self, spans: usize, bytes: usize) -> bool {
        let fits = self.spans.fetch_add(spans, Relaxed) + spans <= self.max_spans;
        let fits = self.bytes.fetch_add(bytes, Relaxed) + bytes <= self.max_bytes && fits;
        if !fits {
            self.leave(spans, bytes);
        }
        fits
    }

    fn leave(&self, spans: usize, bytes: usize) {
        self.spans.fetch_sub(spans, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Gives back the room of spans of which `exported` were taken.
    pub fn settle(&self, spans: usize, bytes: usize, exported: usize) {
        let exported = exported.min(spans);
        self.leave(spans, bytes);
        self.exported.fetch_add(exported as u64, Relaxed);
        self.failed.fetch_add((spans - exported) as u64, Relaxed);
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
