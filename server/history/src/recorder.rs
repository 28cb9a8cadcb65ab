//! What one worker does for the history: no lock, no wait; an allocation only for the few requests that are kept whole.

use crate::figures::Measure;
use crate::hub::Hub;
use crate::table::{Owner, Table};
use crate::trace::{Kept, Trace};
use exchange::{Exchange, Stamp};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

/// Ticks (of 50 ms) between two requests that are taken blindly, by each worker.
const BLIND: u32 = 10;
/// Requests that failed or were slow and may be kept at once; one more per tick.
const BURST: u32 = 20;

/// Records the requests of one worker.
pub struct Recorder {
    hub: Arc<Hub>,
    table: Option<Box<Table>>,
    second: u64,
    ticks: u32,
    /// Whether the next request is taken whatever becomes of it.
    blind: bool,
    /// How many more may be kept for what became of them.
    allowance: u32,
}

impl Recorder {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        hub.join();
        Self { hub, table: None, second: 0, ticks: 0, blind: true, allowance: BURST }
    }

    /// A request begins.
    #[inline]
    pub fn begin(&mut self, exchange: &mut Exchange) {
        if std::mem::take(&mut self.blind) {
            exchange.timeline.watched = true;
            exchange.timeline.detail = true;
        }
    }

    /// A request is over.
    #[inline]
    pub fn finished(&mut self, exchange: &Exchange) {
        let measure = measure(exchange);
        let owner = Owner {
            workspace: exchange.workspace,
            route: exchange.route.as_ref().map(|route| route.id),
            service: exchange.service.as_ref().map(|service| service.id),
            consumer: exchange.identity.consumer.as_ref().map(|consumer| consumer.id),
            target: exchange.upstream_address,
        };
        self.count(&owner, &measure);
        let failed = measure.status >= 500 || measure.status < 100;
        if exchange.timeline.watched || failed || measure.total >= self.hub.slow.load(Relaxed) {
            self.keep(exchange, &measure, failed);
        }
    }

    /// Counts a request.
    #[inline]
    pub fn count(&mut self, owner: &Owner, measure: &Measure) {
        let counted = self.table.as_mut().is_some_and(|table| table.add(owner, measure).is_ok());
        if !counted {
            self.count_anew(owner, measure);
        }
    }

    /// The table is full, or there is none: with the next one. Where none is left, a request is counted without what makes
    /// its owner rare.
    #[cold]
    fn count_anew(&mut self, owner: &Owner, measure: &Measure) {
        if let Some(mut next) = self.hub.spare.pop() {
            next.second = self.second;
            if let Some(full) = self.table.replace(next)
                && let Err(full) = self.hub.filled.push(full)
            {
                self.table = Some(full);
            }
            if self.table.as_mut().is_some_and(|table| table.add(owner, measure).is_ok()) {
                return;
            }
        }
        self.hub.lose();
        let common = Owner { route: None, consumer: None, target: None, ..*owner };
        if let Some(table) = &mut self.table {
            let _ = table.fold(&common, measure);
        }
    }

    fn hand_over(&mut self) {
        if let Some(table) = self.table.take_if(|table| !table.is_empty())
            && let Err(table) = self.hub.filled.push(table)
        {
            self.table = Some(table);
        }
    }

    /// Called every 50 ms: hands over what a second has brought.
    pub fn tick(&mut self, now: SystemTime) {
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // What is counted before the history has given a table back counts for the second before.
        let empty = self.table.as_ref().is_none_or(|table| table.is_empty());
        if second != self.second && (empty || !self.hub.spare.is_empty()) {
            self.hand_over();
            self.second = second;
            if let Some(table) = &mut self.table
                && table.is_empty()
            {
                table.second = second;
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
        self.blind |= self.ticks.is_multiple_of(BLIND);
        self.allowance = (self.allowance + 1).min(BURST);
    }

    #[cold]
    fn keep(&mut self, exchange: &Exchange, measure: &Measure, failed: bool) {
        let kept = match failed {
            true => Kept::Failed,
            false if measure.total >= self.hub.slow.load(Relaxed) => Kept::Slow,
            false => Kept::Sampled,
        };
        if kept != Kept::Sampled {
            if self.allowance == 0 {
                return;
            }
            self.allowance -= 1;
        }
        let _ = self.hub.traces.push(Box::new(Trace::of(exchange, measure, kept, &self.hub.masks.load())));
    }
}

/// What an Exchange that is over took.
fn measure(exchange: &Exchange) -> Measure {
    let timeline = &exchange.timeline;
    let total = timeline.at(Stamp::Finished).unwrap_or_else(|| timeline.now());
    let headed = timeline.at(Stamp::Headed).unwrap_or(total);
    let upstream = exchange.upstream_address.and(timeline.at(Stamp::Balanced)).map(|from| {
        let to = timeline.at(Stamp::Answered).unwrap_or(headed);
        to.saturating_sub(from)
    });
    let gateway = headed.saturating_sub(upstream.unwrap_or(0));
    Measure { status: exchange.response.status, total, upstream, gateway }
}
