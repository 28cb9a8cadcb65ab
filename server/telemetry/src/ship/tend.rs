//! Tending a queue: batches, tries, pauses.

use super::carrier::Carrier;
use super::depot::Depot;
use super::queue::{Batch, Queue};
use super::{Calls, Network};
use bytes::Bytes;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// What tending needs. Belongs to one thread.
pub struct Yard {
    depot: Arc<Depot>,
    network: Arc<dyn Network>,
    calls: Rc<Calls>,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Yard {
    /// On this thread, which must run an actix `System`.
    pub fn new(depot: Arc<Depot>, network: Arc<dyn Network>) -> Rc<Self> {
        let calls = Rc::new(Calls::new(&network));
        Rc::new(Self { depot, network, calls, stopping: AtomicBool::new(false), stopped: Notify::new() })
    }

    /// The HTTP client.
    pub fn calls(&self) -> Rc<Calls> {
        self.calls.clone()
    }

    /// From now on what waits is sent at once, and tried once.
    pub fn hurry(&self) {
        self.stopping.store(true, Relaxed);
        self.stopped.notify_waiters();
        for queue in self.depot.queues() {
            queue.nudge();
        }
    }

    fn is_hurrying(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    fn carrier(&self, queue: &Queue) -> Carrier {
        Carrier::to(&queue.shipment().destination, self.network.clone(), self.calls.clone())
    }

    /// Sends what comes into a queue until it is closed and empty, or, in a hurry, empty.
    pub async fn tend(self: Rc<Self>, queue: Arc<Queue>) {
        let mut carrier = self.carrier(&queue);
        carrier.prepare(self.depot.epoch()).await;
        while let Some(batch) = queue.batch(|| self.is_hurrying()).await {
            if queue.shipment().limits.concurrent {
                self.beside(batch, &queue);
                continue;
            }
            self.deliver(batch, &queue, &mut carrier).await;
        }
        if !self.is_hurrying() {
            self.depot.over(&queue);
        }
    }

    /// Sends a batch beside others.
    fn beside(self: &Rc<Self>, batch: Batch<'_>, queue: &Arc<Queue>) {
        let (yard, queue) = (self.clone(), queue.clone());
        let handed = batch.hand_over();
        actix_rt::spawn(async move {
            let batch = handed.taken_by(&queue);
            let mut carrier = yard.carrier(&queue);
            yard.deliver(batch, &queue, &mut carrier).await;
        });
    }

    /// Brings a batch to its receiver, or gives it up.
    async fn deliver(&self, batch: Batch<'_>, queue: &Queue, carrier: &mut Carrier) {
        let shipment = queue.shipment();
        let (plugin, destination, limits) = (shipment.plugin, &shipment.destination, &shipment.limits);
        let count = batch.entries.len() as u64;
        let messages = shipment.pack.messages(batch.entries.clone());
        let mut rest: &[Bytes] = &messages;
        let begin = Instant::now();
        let mut retries = 0u32;
        loop {
            let error = match carrier.carry(&mut rest, self.depot.epoch()).await {
                Ok(()) => {
                    if retries > 0 {
                        tracing::info!(plugin, %destination, entries = count, retries, "entries were sent after all");
                    }
                    queue.shipped.fetch_add(count, Relaxed);
                    return;
                }
                Err(error) => error,
            };
            let stopped = self.stopped.notified();
            if limits.max_retry_time.is_zero() || begin.elapsed() > limits.max_retry_time || self.is_hurrying() {
                tracing::error!(plugin, %destination, entries = count, retries, error, "entries could not be sent; they are lost");
                queue.failed.fetch_add(count, Relaxed);
                return;
            }
            tracing::warn!(plugin, %destination, error, "entries could not be sent; trying again");
            let pause = pause(limits.initial_retry_delay, limits.max_retry_delay, retries);
            retries = retries.saturating_add(1);
            queue.retries.fetch_add(1, Relaxed);
            tokio::select! {
                () = sleep(pause) => {}
                // One more try, now.
                () = stopped => {}
            }
        }
    }
}

/// Doubles with every failure, up to the longest.
fn pause(initial: Duration, longest: Duration, retries: u32) -> Duration {
    let doubled = initial.as_secs_f64() * 2f64.powi(retries.min(1000).cast_signed());
    Duration::try_from_secs_f64(doubled).map_or(longest, |doubled| doubled.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let of = |retries| pause(Duration::from_millis(10), Duration::from_secs(60), retries).as_millis();
        assert_eq!([0, 1, 2, 3, 12, 13, 500, u32::MAX].map(of), [10, 20, 40, 80, 40_960, 60_000, 60_000, 60_000]);
    }
}
