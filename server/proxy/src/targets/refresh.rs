//! Looking up the names of Targets, again and again.

use super::peers::Peers;
use super::table::Targets;
use crate::dns::Resolver;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How exactly the end of a record's life is kept: names that end close to each other are asked for together.
const GRAIN: Duration = Duration::from_secs(1);

/// Runs on the resolver's runtime until the Targets are gone. Does nothing at all while no Target has a name.
pub(super) async fn run(targets: Weak<Targets>, wake: Arc<Notify>) {
    loop {
        let next = {
            let Some(targets) = targets.upgrade() else { return };
            let all = targets.all();
            ask(&all, targets.resolver(), &wake);
            all.iter().filter_map(|peers| peers.next_due()).min()
        };
        let woken = wake.notified();
        match next {
            None => woken.await,
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(10));
                // A wait is cut short by what is new, and rounded up for what is old.
                let wait = if wait > GRAIN { wait + GRAIN / 4 } else { wait };
                let _ = tokio::time::timeout(wait, woken).await;
            }
        }
    }
}

/// Asks for every name that is due, once for all Upstreams that have it.
fn ask(all: &[Arc<Peers>], resolver: &Arc<Resolver>, wake: &Arc<Notify>) {
    let now = Instant::now();
    let mut due: HashMap<Arc<str>, Vec<Weak<Peers>>> = HashMap::new();
    for peers in all {
        for host in peers.due(now) {
            due.entry(host).or_default().push(Arc::downgrade(peers));
        }
    }
    for (host, users) in due {
        // The resolver must be free to end while its own runtime waits for it.
        let (resolver, wake) = (Arc::downgrade(resolver), wake.clone());
        tokio::spawn(async move {
            let Some(answer) = resolver.upgrade().map(|resolver| resolver.renew(&host)) else { return };
            let found = answer.await;
            let now = Instant::now();
            for peers in users.iter().filter_map(Weak::upgrade) {
                peers.resolved(&host, &found, now);
            }
            wake.notify_one();
        });
    }
}
