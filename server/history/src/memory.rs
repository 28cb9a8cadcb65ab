//! What is remembered: series by number, and their figures in four tiers.

use crate::figures::Figures;
use crate::histogram::Histogram;
use crate::slab::{Slab, Tier};
use crate::table::{Owner, Table};
use foldhash::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// What a series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// All requests of a workspace.
    Workspace,
    /// Those of a Service.
    Service,
    /// Those of a Route.
    Route,
    /// Those of a Consumer.
    Consumer,
    /// Those that a Service sent to an address.
    Target,
}

/// One series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// What it is about.
    pub kind: Kind,
    /// The workspace it belongs to.
    pub workspace: Uuid,
    /// The entity; of a Target the Service that sent requests there.
    pub id: Uuid,
    /// The address of a Target.
    pub target: Option<SocketAddr>,
}

/// Bytes that each tier may take.
pub(crate) const SECONDS: usize = 10 << 20;
pub(crate) const MINUTES: usize = 11 << 20;
const TOTALS: usize = 2 << 20;
/// Series that are alive at most.
pub(crate) const SERIES: usize = 16_384;
const HOUR: u64 = 3600;
const WEEK: u64 = 7 * 86_400;

/// Everything that is remembered of requests as figures.
pub(crate) struct Memory {
    numbers: HashMap<Series, u32>,
    series: Vec<Known>,
    /// The second that is being collected, and what was collected of it.
    second: HashMap<u32, Figures>,
    /// The same of the minute.
    minute: HashMap<u32, Figures>,
    minute_from: u64,
    /// The second that is being collected.
    pub now: u64,
    /// What half of the requests of the last minute with any did not exceed, µs.
    pub usual: Option<u64>,
    /// When it began.
    pub began: u64,
    /// Requests that belong to a series there was no room for.
    pub folded: u64,
    pub seconds: Tier,
    pub minutes: Tier,
    pub total_seconds: Tier,
    pub total_minutes: Tier,
}

struct Known {
    series: Series,
    /// When something last happened.
    seen: u64,
    free: bool,
}

impl Memory {
    pub fn new(now: u64) -> Self {
        Self {
            numbers: HashMap::default(),
            series: Vec::new(),
            second: HashMap::default(),
            minute: HashMap::default(),
            minute_from: now - now % 60,
            now,
            usual: None,
            began: now,
            folded: 0,
            seconds: Tier::new(1, 60, HOUR, SECONDS, false),
            minutes: Tier::new(60, HOUR, WEEK, MINUTES, true),
            total_seconds: Tier::new(1, 60, HOUR, TOTALS, false),
            total_minutes: Tier::new(60, HOUR, WEEK, TOTALS, true),
        }
    }

    /// The series with their numbers.
    pub fn series(&self) -> impl Iterator<Item = (u32, &Series)> {
        let known = self.series.iter().enumerate().filter(|(_, known)| !known.free);
        known.map(|(number, known)| (number as u32, &known.series))
    }

    fn number(&mut self, series: Series) -> Option<u32> {
        if let Some(number) = self.numbers.get(&series) {
            self.series[*number as usize].seen = self.now;
            return Some(*number);
        }
        let known = Known { series, seen: self.now, free: false };
        let number = if self.series.len() < SERIES {
            self.series.push(known);
            self.series.len() - 1
        } else {
            let free = self.series.iter().position(|known| known.free)?;
            self.series[free] = known;
            free
        };
        let number = number as u32;
        self.numbers.insert(series, number);
        Some(number)
    }

    /// Takes in what a worker has counted.
    pub fn take(&mut self, table: &Table) {
        let mut numbers: Vec<[Option<u32>; 5]> = Vec::new();
        for (owner, sums) in table.sums() {
            let of = series_of(owner).map(|series| match series {
                None => None,
                Some(series) => {
                    let number = self.number(series);
                    self.folded += if number.is_none() { sums.requests() } else { 0 };
                    number
                }
            });
            for number in of.into_iter().flatten() {
                self.second.entry(number).or_default().sums.merge(sums);
            }
            numbers.push(of);
        }
        for (row, bucket, count) in table.hits() {
            for number in numbers.get(row).into_iter().flatten().flatten() {
                self.second.entry(*number).or_default().durations.add(bucket, count);
            }
        }
    }

    /// The seconds before `now` are over: what was collected is that of the last one.
    pub fn close(&mut self, now: u64) {
        if now <= self.now {
            return;
        }
        let at = now - 1;
        if at - at % 60 > self.minute_from {
            self.close_minute(at - at % 60);
        }
        let mut second: Vec<_> = self.second.drain().collect();
        second.sort_unstable_by_key(|(number, _)| *number);
        for (number, figures) in second {
            let is_total = self.series[number as usize].series.kind == Kind::Workspace;
            let tier = if is_total { &mut self.total_seconds } else { &mut self.seconds };
            tier.add(at, number, &figures);
            self.minute.entry(number).or_default().merge(&figures);
        }
        self.now = now;
        if now - now % 60 > self.minute_from {
            self.close_minute(now - now % 60);
        }
        self.seconds.trim(now);
        self.total_seconds.trim(now);
    }

    fn close_minute(&mut self, next: u64) {
        let mut minute: Vec<_> = self.minute.drain().collect();
        minute.sort_unstable_by_key(|(number, _)| *number);
        let mut all = Histogram::default();
        for (number, figures) in minute {
            let is_total = self.series[number as usize].series.kind == Kind::Workspace;
            if is_total {
                all.merge(&figures.durations);
            }
            let tier = if is_total { &mut self.total_minutes } else { &mut self.minutes };
            tier.add(self.minute_from, number, &figures);
        }
        self.usual = all.quantile(0.5).or(self.usual);
        self.minute_from = next;
        self.minutes.trim(next);
        self.total_minutes.trim(next);
        self.second.shrink_to(64);
        self.minute.shrink_to(64);
        // A number is given to another when nothing in the slabs means the one before.
        for known in self.series.iter_mut().filter(|known| !known.free) {
            if known.seen + WEEK + 2 * HOUR < next {
                known.free = true;
                self.numbers.remove(&known.series);
            }
        }
    }

    /// What the minute that is not over has brought so far.
    pub fn minute(&self) -> (u64, &HashMap<u32, Figures>) {
        (self.minute_from, &self.minute)
    }

    /// Slabs with something of a stretch of time, by seconds or by minutes.
    pub fn slabs(&self, from: u64, until: u64, fine: bool) -> Vec<Arc<Slab>> {
        let tiers = match fine {
            true => [&self.total_seconds, &self.seconds],
            false => [&self.total_minutes, &self.minutes],
        };
        tiers.into_iter().flat_map(|tier| tier.within(from, until)).collect()
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let tiers = [&self.seconds, &self.minutes, &self.total_seconds, &self.total_minutes];
        let maps = [&self.second, &self.minute].into_iter().map(|map| {
            map.values().map(|figures| figures.durations.0.capacity() * 8).sum::<usize>()
                + map.capacity() * (size_of::<(u32, Figures)>() + 1)
        });
        tiers.iter().map(|tier| tier.bytes()).sum::<usize>()
            + maps.sum::<usize>()
            + self.series.capacity() * size_of::<Known>()
            + self.numbers.capacity() * (size_of::<(Series, u32)>() + 1)
    }
}

/// The series that a request counts in.
fn series_of(owner: &Owner) -> [Option<Series>; 5] {
    let Owner { workspace, route, service, consumer, target } = *owner;
    let of = |kind, id: Option<Uuid>| id.map(|id| Series { kind, workspace, id, target: None });
    [
        of(Kind::Workspace, Some(workspace)),
        of(Kind::Service, service),
        of(Kind::Route, route),
        of(Kind::Consumer, consumer),
        target.and(of(Kind::Target, service)).map(|series| Series { target, ..series }),
    ]
}
