//! When things happened to an Exchange. Spans, latency headers, log fields and metrics are rendered from it after the
//! last byte, so an unsampled request costs a few clock reads and no allocation.

use crate::trace::SpanId;
use serde_json::{Map, Value};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

/// A moment in the life of an Exchange, in the usual order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stamp {
    /// The head was read and parsed.
    Parsed,
    /// A Route was found, or none.
    Routed,
    /// The access phase is over.
    Accessed,
    /// The first try of the balancer begins.
    Balanced,
    /// The request's head (and what of the body was there) was written upstream.
    Sent,
    /// The upstream's head was read.
    Answered,
    /// The head of the response goes to the client.
    Headed,
    /// The upstream's last byte was read.
    Received,
    /// The last byte was written to the client.
    Finished,
}

const STAMPS: usize = Stamp::Finished as usize + 1;

/// Why a try of the balancer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryError {
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The TLS handshake or the certificate.
    Tls,
    /// Writing failed.
    Send,
    /// The connection ended before a whole head.
    Closed,
    /// No head in time.
    ReadTimeout,
    /// What came is no HTTP.
    Malformed,
}

impl TryError {
    /// Whether a time limit was the reason: 504 instead of 502.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::ReadTimeout)
    }
}

/// One try of the balancer.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// The address tried.
    pub address: SocketAddr,
    /// When it began, µs after the start.
    pub start: u32,
    /// How long connecting took, TLS included, µs; 0 on a pooled connection.
    pub connect: u32,
    /// How much of `connect` was the TLS handshake, µs; 0 in cleartext.
    pub tls: u32,
    /// Whether the connection came from the pool.
    pub pooled: bool,
    /// How it failed, where it did.
    pub error: Option<TryError>,
}

/// One look-up of a name, kept where `detail` is on.
#[derive(Clone, Debug)]
pub struct Look {
    /// The name.
    pub name: Box<str>,
    /// The port it was asked for.
    pub port: u16,
    /// The first address, or why there is none.
    pub result: Result<IpAddr, Box<str>>,
    /// Whether memory could answer it.
    pub hit: bool,
    /// µs after the start.
    pub start: u32,
    /// µs after the start.
    pub end: u32,
}

/// One question of a plugin to another server over HTTP, kept where `detail` is on.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method.
    pub method: Box<str>,
    /// URL without its query, which may hold secrets.
    pub url: Box<str>,
    /// The answer's status, or why there is none.
    pub result: Result<u16, Box<str>>,
    /// µs after the start.
    pub start: u32,
    /// µs after the start.
    pub end: u32,
}

/// One call of a plugin, kept where `detail` is on.
#[derive(Clone, Copy, Debug)]
pub struct PluginCall {
    /// The plugin's name.
    pub plugin: &'static str,
    /// The phase's name.
    pub phase: &'static str,
    /// µs after the start.
    pub start: u32,
    /// µs after the start.
    pub end: u32,
}

/// What is kept of a request whose client asked for its timings (`X-Kong-Request-Debug`).
#[derive(Clone, Debug, Default)]
pub struct Debugged {
    /// Whether the client is on this machine: its answer is never cut.
    pub loopback: bool,
    /// Whether the error log is told as well (`X-Kong-Request-Debug-Log`).
    pub log: bool,
    /// What plugins took in phases whose calls are not noted one by one, each plugin and phase once.
    pub spent: Vec<Spent>,
}

/// What the calls of a plugin in one phase took together.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The plugin's name.
    pub plugin: &'static str,
    /// The phase's name.
    pub phase: &'static str,
    /// µs.
    pub micros: u32,
}

/// A span of a plugin's own, finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name.
    pub name: Box<str>,
    /// Its id.
    pub id: SpanId,
    /// The span that contains it; the request's own where there is none.
    pub parent: Option<SpanId>,
    /// OTLP's number of its kind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u8,
    /// ns since 1970.
    pub start: u64,
    /// ns since 1970.
    pub end: u64,
    /// What is known of it: texts, numbers, booleans and lists of those.
    pub attributes: Map<String, Value>,
    /// What happened during it: name, ns since 1970, what is known of it.
    pub events: Vec<(Box<str>, u64, Map<String, Value>)>,
    /// OTLP's number of its status: 0 nothing is said, 1 well, 2 badly.
    pub status: u8,
}

/// Monotonic stamps in µs after the first byte of the request was read.
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Instant,
    wall: SystemTime,
    stamps: [u32; STAMPS],
    /// The balancer's tries, in order.
    pub tries: SmallVec<[Try; 1]>,
    /// Whether someone will ask for every moment: an access log, a trace, a plugin that logs. Else moments that are
    /// microseconds apart share a reading of the clock.
    pub exact: bool,
    /// Whether plugin calls are recorded one by one (a tracing plugin or instrumentation asked for it).
    pub detail: bool,
    /// Whether this request is looked at as a whole when it is over, whatever becomes of it.
    pub watched: bool,
    /// Plugin calls, where `detail` is on.
    pub calls: SmallVec<[PluginCall; 0]>,
    /// Look-ups of names, where `detail` is on.
    pub looks: SmallVec<[Look; 0]>,
    /// What plugins asked other servers, where `detail` is on.
    pub asked: SmallVec<[Asked; 0]>,
    /// Spans that plugins made, where the request is traced.
    pub sections: Vec<Section>,
    /// Where the client asked for timings, and may.
    pub debugged: Option<Box<Debugged>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::starting(Instant::now(), SystemTime::now())
    }
}

impl Timeline {
    /// A timeline that begins then.
    pub fn starting(start: Instant, wall: SystemTime) -> Self {
        Self {
            start,
            wall,
            stamps: [0; STAMPS],
            tries: SmallVec::new(),
            exact: false,
            detail: false,
            watched: false,
            calls: SmallVec::new(),
            looks: SmallVec::new(),
            asked: SmallVec::new(),
            sections: Vec::new(),
            debugged: None,
        }
    }

    /// Notes a moment; the first note of a stamp stays.
    pub fn mark(&mut self, stamp: Stamp) {
        if self.stamps[stamp as usize] == 0 {
            self.stamps[stamp as usize] = self.now().max(1);
        }
    }

    /// Notes a moment by a reading of [`Timeline::now`] that was taken anyway; the first note of a stamp stays.
    pub fn mark_at(&mut self, stamp: Stamp, at: u32) {
        if self.stamps[stamp as usize] == 0 {
            self.stamps[stamp as usize] = at.max(1);
        }
    }

    /// Notes a moment shortly after another: as that one, unless it will be asked for.
    pub fn mark_near(&mut self, stamp: Stamp, before: Stamp) {
        match self.at(before) {
            Some(at) if !self.exact => self.mark_at(stamp, at),
            _ => self.mark(stamp),
        }
    }

    /// µs since the start.
    pub fn now(&self) -> u32 {
        let elapsed = self.start.elapsed();
        let micros = elapsed.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(elapsed.subsec_micros()));
        u32::try_from(micros).unwrap_or(u32::MAX)
    }

    /// When a moment was, µs after the start; `None` where it did not come.
    pub fn at(&self, stamp: Stamp) -> Option<u32> {
        Some(self.stamps[stamp as usize]).filter(|at| *at != 0)
    }

    /// Time from one moment to another; zero where either did not come.
    pub fn between(&self, from: Stamp, to: Stamp) -> Duration {
        match (self.at(from), self.at(to)) {
            (Some(from), Some(to)) => Duration::from_micros(u64::from(to.saturating_sub(from))),
            _ => Duration::ZERO,
        }
    }

    /// Time since the start, also where it is longer than stamps can tell.
    pub fn lasted(&self) -> Duration {
        self.start.elapsed()
    }

    /// The monotonic start.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The start on the wall clock.
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// `X-Kong-Upstream-Latency`: ms from the start of balancing to the upstream's head, or until now where none came.
    pub fn upstream_ms(&self) -> u32 {
        let Some(from) = self.at(Stamp::Balanced) else { return 0 };
        self.at(Stamp::Answered).unwrap_or_else(|| self.now()).saturating_sub(from) / 1000
    }

    /// `X-Kong-Proxy-Latency`: ms spent in the gateway before the request was sent on.
    pub fn proxy_ms(&self) -> u32 {
        self.at(Stamp::Balanced).or(self.at(Stamp::Accessed)).unwrap_or(0) / 1000
    }

    /// ms since the start: `X-Kong-Response-Latency` of an answer made here.
    pub fn elapsed_ms(&self) -> u32 {
        self.now() / 1000
    }
}
