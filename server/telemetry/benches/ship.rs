//! How many entries a second go through a queue, from whoever pushes to who takes them: bound 200,000.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exchange::shipping::{Destination, Pack, QueueLimits, Receiver, Receiving, Recipient, Shipment, Shipping};
use std::sync::Arc;
use std::time::Duration;
use telemetry::ship::{Depot, Network, Resolving, Yard};
use tokio::sync::mpsc;

/// Entries of one round.
const ENTRIES: u64 = 20_000;

/// Takes everything at once.
struct Taker;

impl Receiver for Taker {
    fn receive(&self, _: Bytes) -> Receiving {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// No network.
struct Nowhere;

impl Network for Nowhere {
    fn resolve(&self, name: &str, _: u16) -> Resolving {
        Box::pin(std::future::ready(Err(format!("{name} is not looked up"))))
    }

    fn tls(&self, _: bool) -> Result<Arc<rustls::ClientConfig>, String> {
        Err("TLS is not spoken".to_owned())
    }
}

fn ship(criterion: &mut Criterion) {
    let depot = Arc::new(Depot::default());
    let (begun, mut queues) = mpsc::unbounded_channel();
    depot.tended_by(move |queue| drop(begun.send(queue)));
    let theirs = depot.clone();
    std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let yard = Yard::new(theirs, Arc::new(Nowhere));
            while let Some(queue) = queues.recv().await {
                actix_rt::spawn(yard.clone().tend(queue));
            }
        });
    });
    // A log entry as it is on average.
    let entry = Bytes::from(vec![b'x'; 800]);
    let mut group = criterion.benchmark_group("ship");
    group.throughput(Throughput::Elements(ENTRIES));
    for (name, pack) in [("each alone", Pack::Each), ("arrays of 200", Pack::JsonArray)] {
        let limits = QueueLimits {
            max_entries: 1_000_000,
            max_coalescing_delay: Duration::from_millis(1),
            ..QueueLimits::once(200)
        };
        let receiver = Recipient { name: name.to_owned(), receiver: Arc::new(Taker) };
        let destination = Destination::Receiver(receiver);
        let outbox = depot.open(Shipment { plugin: "bench", name: name.to_owned(), limits, pack, destination });
        let shipped = || depot.counts().iter().map(|counts| counts.shipped).sum::<u64>();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let wanted = shipped() + ENTRIES;
                for _ in 0..ENTRIES {
                    outbox.push(entry.clone());
                }
                while shipped() < wanted {
                    std::thread::yield_now();
                }
            });
        });
        assert_eq!(depot.counts().iter().map(|counts| counts.dropped + counts.failed).sum::<u64>(), 0);
    }
    group.finish();
}

criterion_group!(benches, ship);
criterion_main!(benches);
