//! Counters counted on the node, and the task that brings node and server together.

use crate::ledger::{Batch, Books, Ledger};
use crate::link::Link;
use crate::script::Command;
use exchange::counters::{Taken, Window};
use exchange::redis::{RedisError, RemoteCounter, SyncedCounters, Taking};
use smallvec::SmallVec;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// Counters of one server with one period. The task brings the last units over when this is dropped.
pub(crate) struct Synced {
    ledger: Arc<Ledger>,
    link: Link,
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Synced {
    pub(crate) fn new(link: Link, server: String, every: Duration) -> (Self, impl Future<Output = ()> + Send) {
        let ledger = Arc::new(Ledger::default());
        let (flushes, requests) = mpsc::unbounded_channel();
        let task = Task { ledger: ledger.clone(), link: link.clone(), books: Books::default(), server, failed: false };
        (Self { ledger, link, flushes }, task.run(every, requests))
    }

    /// Synchronises now.
    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.flushes.send(done).is_ok() {
            let _ = wait.await;
        }
    }
}

impl SyncedCounters for Synced {
    fn take(&self, windows: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, _now: u64) -> Taking {
        if let Some(taken) = self.ledger.take(windows) {
            return Taking::Done(taken);
        }
        let counters = remote();
        let read = self.link.add(None, counters.iter().map(|counter| (counter.clone(), 0)).collect());
        let (ledger, link) = (self.ledger.clone(), self.link.clone());
        let windows: SmallVec<[Window; 6]> = windows.into();
        Taking::Wait(Box::pin(async move { learn(&ledger, &link, &windows, counters, read.await?).await }))
    }

    fn add(&self, windows: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, amount: i64) {
        let unknown = self.ledger.add(windows, amount);
        if unknown.is_empty() {
            return;
        }
        let mut counters = remote();
        for index in unknown.into_iter().rev() {
            if index < counters.len() {
                self.link.tell(Command::AddIfThere(counters.swap_remove(index), amount), Box::new(drop));
            }
        }
    }
}

/// Takes of windows whose counts on the server are known by now. Where the ledger has no room for them they are counted
/// on the server.
async fn learn(
    ledger: &Ledger,
    link: &Link,
    windows: &[Window],
    counters: Vec<RemoteCounter>,
    counts: Vec<Option<i64>>,
) -> Result<Taken, RedisError> {
    for ((window, counter), count) in windows.iter().zip(&counters).zip(counts) {
        let count = count.ok_or_else(|| RedisError::new("a key holds no counter"))?;
        ledger.learn(window, counter, count);
    }
    match ledger.take(windows) {
        Some(taken) => Ok(taken),
        None => link.take(counters).await,
    }
}

struct Task {
    ledger: Arc<Ledger>,
    link: Link,
    books: Books,
    /// For the log.
    server: String,
    /// Whether the last pass failed.
    failed: bool,
}

impl Task {
    async fn run(mut self, every: Duration, mut flushes: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            let request = tokio::select! {
                () = tokio::time::sleep(every) => None,
                request = flushes.recv() => Some(request),
            };
            self.pass().await;
            match request {
                None => {}
                Some(Some(done)) => _ = done.send(()),
                // Nobody counts here any more.
                Some(None) => return,
            }
        }
    }

    async fn pass(&mut self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.books.begin(&self.ledger);
        while let Some(batch) = self.books.next() {
            if let Err(error) = self.send(batch).await {
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::error!(server = self.server, "counters cannot be synchronised with Redis: {error}");
                }
                self.books.end(&self.ledger, now, false);
                return;
            }
        }
        if std::mem::take(&mut self.failed) {
            tracing::info!(server = self.server, "counters are synchronised with Redis again");
        }
        self.books.end(&self.ledger, now, true);
    }

    async fn send(&mut self, batch: Batch) -> Result<(), RedisError> {
        match self.link.add(Some(batch.mark()), batch.amounts()).await {
            Ok(counts) => {
                batch.settle(&counts);
                Ok(())
            }
            Err(error) => {
                self.books.keep(batch);
                Err(error)
            }
        }
    }
}
