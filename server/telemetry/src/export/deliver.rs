//! The thread that brings batches to the collector.

use super::queue::{Parcel, Room};
use super::{ExportError, ExportSettings, otlp};
use crate::trace::Span;
use awc::http::StatusCode;
use awc::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

/// Times one batch is tried.
const TRIES: u32 = 5;
/// Pause after the first failure; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// How one try ended.
enum Outcome {
    /// Taken, but for so many.
    Taken { refused: usize, reason: String },
    /// Worth another try, perhaps not before a while.
    Later { reason: String, pause: Option<Duration> },
    /// Refused for good.
    Refused(String),
}

/// What the thread needs.
pub(super) struct Delivery {
    settings: ExportSettings,
    headers: Vec<(HeaderName, HeaderValue)>,
    tls: Arc<rustls::ClientConfig>,
    room: Arc<Room>,
    stop: watch::Receiver<Option<Instant>>,
}

/// A collector, and how it has been doing.
struct Collector {
    client: awc::Client,
    /// Failures in a row.
    failures: u32,
    /// Spans dropped before it was gone.
    dropped_before: u64,
}

impl Delivery {
    /// Checks what can be wrong.
    pub fn new(
        settings: ExportSettings,
        room: Arc<Room>,
        stop: watch::Receiver<Option<Instant>>,
    ) -> Result<Self, ExportError> {
        let endpoint = &settings.endpoint;
        let uri = endpoint.parse::<awc::http::Uri>().ok();
        let scheme = uri.as_ref().filter(|uri| uri.host().is_some()).and_then(|uri| uri.scheme_str());
        if !matches!(scheme, Some("http" | "https")) {
            return Err(ExportError::Endpoint(endpoint.clone()));
        }
        let headers = settings
            .headers
            .iter()
            .map(|(name, value)| {
                let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
                parsed.ok_or_else(|| ExportError::Header(name.clone()))
            })
            .collect::<Result<_, _>>()?;
        let tls = match &settings.tls {
            Some(tls) => tls.clone(),
            None => Arc::new(public_tls()?),
        };
        Ok(Self { settings, headers, tls, room, stop })
    }

    /// Runs until the queue's last handle is gone or the exporter is stopped.
    pub async fn run(self, mut queue: UnboundedReceiver<Parcel>) {
        let connector = awc::Connector::new().rustls_0_23(self.tls.clone()).timeout(self.settings.timeout);
        let client =
            awc::Client::builder().connector(connector).timeout(self.settings.timeout).disable_redirects().finish();
        let mut collector = Collector { client, failures: 0, dropped_before: 0 };
        loop {
            let first = tokio::select! {
                first = queue.recv() => first,
                () = self.stopped() => None,
            };
            let Some(first) = first else { break };
            let batch = self.gather(first, &mut queue).await;
            self.deliver(batch, &mut collector).await;
        }
        queue.close();
        while let Ok(first) = queue.try_recv() {
            let batch = self.gather(first, &mut queue).await;
            self.deliver(batch, &mut collector).await;
        }
    }

    /// Adds to a first parcel what comes within the delay, up to a batch.
    async fn gather(&self, first: Parcel, queue: &mut UnboundedReceiver<Parcel>) -> Parcel {
        let mut batch = first;
        let end = sleep(self.settings.delay);
        tokio::pin!(end);
        while batch.spans.len() < self.settings.batch {
            let next = tokio::select! {
                biased;
                next = queue.recv() => next,
                () = self.stopped() => queue.try_recv().ok(),
                () = &mut end => None,
            };
            let Some(next) = next else { break };
            batch.spans.extend(next.spans);
            batch.bytes += next.bytes;
        }
        batch
    }

    /// Brings a batch to the collector, or gives it up. Either way its room is free again.
    async fn deliver(&self, batch: Parcel, collector: &mut Collector) {
        let Parcel { spans, bytes } = batch;
        let count = spans.len();
        let body = self.body(spans);
        let mut exported = 0;
        for attempt in 1..=TRIES {
            let outcome = tokio::select! {
                outcome = timeout(self.settings.timeout, self.post(&collector.client, body.clone())) => {
                    outcome.unwrap_or_else(|_| Outcome::Later { reason: "no answer in time".into(), pause: None })
                }
                () = self.overdue() => break,
            };
            let (reason, pause) = match outcome {
                Outcome::Taken { refused, reason } => {
                    collector.well(&self.settings.endpoint, &self.room);
                    if refused > 0 {
                        tracing::warn!(spans = refused, reason, "the collector refused some spans");
                    }
                    exported = count.saturating_sub(refused);
                    break;
                }
                Outcome::Refused(reason) => {
                    collector.ill(&self.settings.endpoint, &reason, &self.room);
                    break;
                }
                Outcome::Later { reason, pause } => (reason, pause),
            };
            collector.ill(&self.settings.endpoint, &reason, &self.room);
            if attempt == TRIES || self.stop.borrow().is_some() {
                break;
            }
            tokio::select! {
                () = sleep(pause.unwrap_or_else(|| collector.pause()).min(LONGEST_PAUSE)) => {}
                // One more try, now.
                () = self.stopped() => {}
            }
        }
        self.room.settle(count, bytes, exported);
    }

    fn body(&self, spans: Vec<Span>) -> Bytes {
        let plain = otlp::encode(&self.settings.resource, spans);
        if !self.settings.gzip {
            return plain.into();
        }
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::with_capacity(plain.len() / 4), flate2::Compression::fast());
        // Writing to memory does not fail.
        let _ = encoder.write_all(&plain);
        encoder.finish().unwrap_or_default().into()
    }

    async fn post(&self, client: &awc::Client, body: Bytes) -> Outcome {
        let mut request =
            client.post(&self.settings.endpoint).insert_header(("Content-Type", "application/x-protobuf"));
        request = request.insert_header(("User-Agent", concat!("silverback/", env!("CARGO_PKG_VERSION"))));
        if self.settings.gzip {
            request = request.insert_header(("Content-Encoding", "gzip"));
        }
        for (name, value) in &self.headers {
            request = request.insert_header((name.clone(), value.clone()));
        }
        let mut response = match request.send_body(body).await {
            Ok(response) => response,
            Err(error) => return Outcome::Later { reason: error.to_string(), pause: None },
        };
        let status = response.status();
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let answer = response.body().limit(MAX_ANSWER).await;
        if status.is_success() {
            let (refused, reason) = otlp::refused(&answer.unwrap_or_default());
            return Outcome::Taken { refused, reason };
        }
        let reason = format!("it answered {status}");
        // OTLP/HTTP, "Failures": these four may be retried, others must not be.
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Later { reason, pause: pause.map(Duration::from_secs) },
            _ => Outcome::Refused(reason),
        }
    }

    /// Resolves when the exporter is stopped.
    async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(Option::is_some).await;
    }

    /// Resolves when the bound of a stop is reached.
    async fn overdue(&self) {
        self.stopped().await;
        let bound = *self.stop.borrow();
        sleep_until(bound.unwrap_or_else(Instant::now).into()).await;
    }
}

impl Collector {
    fn pause(&self) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        // Up to a quarter less, so that nodes do not come back all at once.
        let jitter = exchange::SpanId::fresh().0[7];
        doubled.min(LONGEST_PAUSE).mul_f64(1.0 - f64::from(jitter) / 1024.0)
    }

    fn ill(&mut self, endpoint: &str, reason: &str, room: &Room) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            self.dropped_before = room.dropped();
            tracing::warn!(
                endpoint,
                reason,
                "spans cannot be exported; they are kept while there is room, then dropped"
            );
        }
    }

    fn well(&mut self, endpoint: &str, room: &Room) {
        if std::mem::take(&mut self.failures) > 0 {
            let dropped = room.dropped() - self.dropped_before;
            tracing::info!(endpoint, dropped, "spans are exported again");
        }
    }
}

fn public_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
