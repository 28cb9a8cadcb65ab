//! Spans on their way to a collector: OTLP over HTTP as protobuf, in batches, from a thread of its own.
//!
//! Whoever makes spans never waits: the queue is bounded in spans and bytes, and what does not fit is dropped and
//! counted. A collector that is gone, slow or wrong costs spans, nothing else.

mod deliver;
mod environment;
pub mod otlp;
mod queue;

pub use environment::EnvironmentError;
pub use queue::{Counts, Queue};

use crate::trace::{Kind, Span, Status, Value};
use deliver::Delivery;
use exchange::{SpanId, TraceId};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// Where spans go, and how.
#[derive(Clone)]
pub struct ExportSettings {
    /// URL that spans are posted to, `/v1/traces` included.
    pub endpoint: String,
    /// Header lines of every request, such as credentials.
    pub headers: Vec<(String, String)>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a span may wait for others.
    pub delay: Duration,
    /// Spans in one request, about.
    pub batch: usize,
    /// Spans that wait at most.
    pub queue_spans: usize,
    /// Bytes of memory that waiting spans take at most, about.
    pub queue_bytes: usize,
    /// What the spans are of: `service.name`, `service.version`, `service.instance.id`, …
    pub resource: Vec<(String, String)>,
    /// How TLS is spoken with the collector; `None` = by the public certificate authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl ExportSettings {
    /// The usual: batches of 512 after a second, 8,192 spans or 16 MiB waiting, 10 s per request.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            gzip: false,
            timeout: Duration::from_secs(10),
            delay: Duration::from_secs(1),
            batch: 512,
            queue_spans: 8192,
            queue_bytes: 16 * 1024 * 1024,
            resource: Vec::new(),
            tls: None,
        }
    }

    /// Says whose spans they are: `service.name` = silverback, unless set already.
    pub fn describe(mut self, version: &str, node_id: &str) -> Self {
        let facts = [("service.name", "silverback"), ("service.version", version), ("service.instance.id", node_id)];
        for (name, value) in facts {
            if !self.resource.iter().any(|(known, _)| known == name) {
                self.resource.push((name.to_owned(), value.to_owned()));
            }
        }
        self
    }
}

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The endpoint.
    #[error("the tracing endpoint '{0}' is no http or https URL, such as http://127.0.0.1:4318/v1/traces")]
    Endpoint(String),
    /// A header.
    #[error("the header '{0}' for the tracing endpoint is not valid")]
    Header(String),
    /// TLS.
    #[error("TLS with the tracing endpoint cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The thread.
    #[error("the thread that exports spans cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What remains to send what waits, where an exporter is dropped.
const LAST_BOUND: Duration = Duration::from_secs(1);

/// An exporter that runs. It ends with [`Exporter::shutdown`], or a second after it was dropped.
pub struct Exporter {
    queue: Queue,
    stop: watch::Sender<Option<Instant>>,
    done: Receiver<()>,
}

impl Exporter {
    /// Checks the settings and starts the thread.
    pub fn start(settings: ExportSettings) -> Result<Self, ExportError> {
        let (queue, spans) = Queue::new(settings.queue_spans, settings.queue_bytes);
        let (stop, stopped) = watch::channel(None);
        let (end, done) = sync_channel(1);
        let delivery = Delivery::new(settings, queue.room(), stopped)?;
        std::thread::Builder::new().name("traces".into()).spawn(move || {
            actix_rt::System::new().block_on(delivery.run(spans));
            let _ = end.send(());
        })?;
        Ok(Self { queue, stop, done })
    }

    /// Where finished spans are handed in.
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// What became of the spans so far.
    pub fn counts(&self) -> Counts {
        self.queue.counts()
    }

    /// Notes something that took longer than it should, after the fact, as a trace of one span: a message that kept an
    /// actor busy, for instance. It ends now. Not subject to sampling.
    pub fn slow(
        &self,
        name: impl Into<Cow<'static, str>>,
        took: Duration,
        attributes: Vec<(Cow<'static, str>, Value)>,
    ) {
        let end = crate::trace::nanos(SystemTime::now());
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.queue.push(vec![Span {
            trace_id: TraceId::fresh(),
            span_id: SpanId::fresh(),
            parent: None,
            remote_parent: false,
            name: name.into(),
            kind: Kind::Internal,
            start: end.saturating_sub(took),
            end,
            attributes,
            events: Vec::new(),
            status: Status::Unset,
        }]);
    }

    /// Sends what waits, and ends the thread, within `bound`. What is not sent by then is dropped and counted. Blocks:
    /// call it where nothing else has to happen, or through `spawn_blocking`. False where the bound was reached.
    pub fn shutdown(self, bound: Duration) -> bool {
        self.stop.send_replace(Some(Instant::now() + bound));
        // A little longer than the thread itself takes the bound.
        let end = self.done.recv_timeout(bound + Duration::from_millis(500));
        !matches!(end, Err(RecvTimeoutError::Timeout))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| {
            let runs = stop.is_none();
            *stop = stop.or_else(|| Some(Instant::now() + LAST_BOUND));
            runs
        });
    }
}
