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
    second: Collected,
    /// The same of the minute.
    minute: Collected,
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
            second: Collected::default(),
            minute: Collected::default(),
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
        let mut numbers = vec![[None; KINDS]; table.owners()];
        // Neighbours are often of one Workspace, Service and Target.
        let mut last: [Option<(Series, Option<u32>)>; KINDS] = [None; KINDS];
        for (place, owner, sums, hits) in table.rows() {
            let of = &mut numbers[place];
            for ((series, last), number) in series_of(owner).into_iter().zip(&mut last).zip(of.iter_mut()) {
                let Some(series) = series else { continue };
                *number = match last {
                    Some((same, number)) if *same == series => *number,
                    _ => last.insert((series, self.number(series))).1,
                };
                self.folded += if number.is_none() { sums.requests() } else { 0 };
            }
            for number in of.iter().flatten() {
                self.second.of(*number).sums.merge(sums);
            }
            for (bucket, count) in hits {
                of.iter().flatten().for_each(|number| self.second.of(*number).durations.add(bucket, count));
            }
        }
        for (place, bucket, count) in table.far() {
            for number in numbers[place].iter().flatten() {
                self.second.of(*number).durations.add(bucket, count);
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
        for (number, figures) in self.second.iter() {
            let is_total = self.series[number as usize].series.kind == Kind::Workspace;
            let tier = if is_total { &mut self.total_seconds } else { &mut self.seconds };
            tier.add(at, number, figures);
            self.minute.of(number).merge(figures);
        }
        self.second.clear();
        self.now = now;
        if now - now % 60 > self.minute_from {
            self.close_minute(now - now % 60);
            // Room for series that are no more goes.
            self.second = Collected::default();
        }
        self.seconds.trim(now);
        self.total_seconds.trim(now);
    }

    fn close_minute(&mut self, next: u64) {
        let mut all = Histogram::default();
        for (number, figures) in self.minute.iter() {
            let is_total = self.series[number as usize].series.kind == Kind::Workspace;
            if is_total {
                all.merge(&figures.durations);
            }
            let tier = if is_total { &mut self.total_minutes } else { &mut self.minutes };
            tier.add(self.minute_from, number, figures);
        }
        self.minute = Collected::default();
        self.usual = all.quantile(0.5).or(self.usual);
        self.minute_from = next;
        self.minutes.trim(next);
        self.total_minutes.trim(next);
        // A number is given to another when nothing in the slabs means the one before.
        for known in self.series.iter_mut().filter(|known| !known.free) {
            if known.seen + WEEK + 2 * HOUR < next {
                known.free = true;
                self.numbers.remove(&known.series);
            }
        }
    }

    /// What the minute that is not over has brought so far.
    pub fn minute(&self) -> (u64, &Collected) {
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
        tiers.iter().map(|tier| tier.bytes()).sum::<usize>()
            + self.second.bytes()
            + self.minute.bytes()
            + self.series.capacity() * size_of::<Known>()
            + self.numbers.capacity() * (size_of::<(Series, u32)>() + 1)
    }
}

/// Figures by the numbers of their series.
#[derive(Default)]
pub(crate) struct Collected {
    /// By number: the place of its figures, and one; 0 where there are none.
    places: Vec<u32>,
    /// Those in use, and behind them some with room for others.
    figures: Vec<Figures>,
    used: usize,
}

impl Collected {
    /// Those of a series, whether or not there are any.
    fn of(&mut self, number: u32) -> &mut Figures {
        let number = number as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, 0);
        }
        let place = &mut self.places[number];
        if *place == 0 {
            self.used += 1;
            *place = self.used as u32;
            if self.figures.len() < self.used {
                self.figures.push(Figures::default());
            }
        }
        &mut self.figures[*place as usize - 1]
    }

    /// Those of a series.
    pub fn get(&self, number: u32) -> Option<&Figures> {
        let place = *self.places.get(number as usize)?;
        self.figures.get((place as usize).checked_sub(1)?)
    }

    /// All, by number.
    fn iter(&self) -> impl Iterator<Item = (u32, &Figures)> {
        (0..self.places.len() as u32).filter_map(|number| Some((number, self.get(number)?)))
    }

    /// Forgets everything, and keeps the memory.
    fn clear(&mut self) {
        self.places.fill(0);
        self.figures[..self.used].iter_mut().for_each(Figures::clear);
        self.used = 0;
    }

    fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
            + self.figures.capacity() * size_of::<Figures>()
            + self.figures.iter().map(|figures| figures.durations.0.capacity() * size_of::<(u8, u32)>()).sum::<usize>()
    }
}

/// Series that a request can count in.
const KINDS: usize = 5;

/// The series that a request counts in.
fn series_of(owner: &Owner) -> [Option<Series>; KINDS] {
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
