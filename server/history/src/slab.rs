//! Figures of a stretch of time, written down in few bytes: one entry for each series and moment at which something
//! happened.

use crate::figures::{Figures, byte, number, read_number};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Buckets that are left of a histogram when it is thinned.
const THIN: usize = 6;

/// A stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Slab {
    /// Its first second, since 1970.
    pub from: u64,
    /// How many seconds one moment of it is.
    pub step: u64,
    bytes: Vec<u8>,
}

impl Slab {
    /// Calls `each` with every moment (seconds since 1970), series and its figures.
    pub fn read(&self, mut each: impl FnMut(u64, u32, &Figures)) {
        let mut rest = self.bytes.as_slice();
        let mut figures = Figures::default();
        while !rest.is_empty() {
            let entry = (|| {
                let (moment, series) = (byte(&mut rest)?, u32::try_from(read_number(&mut rest)?).ok()?);
                figures.read(&mut rest)?;
                Some((moment, series))
            })();
            let Some((moment, series)) = entry else { return };
            each(self.from + u64::from(moment) * self.step, series, &figures);
        }
    }

    fn write(&mut self, at: u64, series: u32, figures: &Figures) {
        self.bytes.push(((at - self.from) / self.step) as u8);
        number(&mut self.bytes, u64::from(series));
        figures.write(&mut self.bytes);
    }

    /// The same with one moment, and with coarser histograms.
    fn thinned(&self, span: u64) -> Self {
        let mut sums: BTreeMap<u32, Figures> = BTreeMap::new();
        self.read(|_, series, figures| sums.entry(series).or_default().merge(figures));
        let mut thin = Self { from: self.from, step: span, bytes: Vec::new() };
        for (series, mut figures) in sums {
            figures.durations.thin(THIN);
            thin.write(self.from, series, &figures);
        }
        thin.bytes.shrink_to_fit();
        thin
    }
}

/// Slabs of equal length, one after the other, for so long and in so many bytes.
pub(crate) struct Tier {
    /// Seconds of a moment.
    pub step: u64,
    /// Seconds of a slab; at most 256 moments.
    span: u64,
    /// Seconds that are kept.
    keep: u64,
    /// Bytes that are kept.
    budget: usize,
    /// Whether what is old is thinned before it is dropped.
    thins: bool,
    slabs: VecDeque<Arc<Slab>>,
    bytes: usize,
    /// From here on nothing was dropped for want of room.
    pub complete: u64,
}

impl Tier {
    pub fn new(step: u64, span: u64, keep: u64, budget: usize, thins: bool) -> Self {
        debug_assert!(span / step <= 256);
        Self { step, span, keep, budget, thins, slabs: VecDeque::new(), bytes: 0, complete: 0 }
    }

    /// Adds figures of a moment, which is never before one that was added.
    pub fn add(&mut self, at: u64, series: u32, figures: &Figures) {
        let from = at - at % self.span;
        if self.slabs.back().is_none_or(|slab| slab.from < from) {
            self.slabs.push_back(Arc::new(Slab { from, step: self.step, bytes: Vec::new() }));
        }
        let Some(last) = self.slabs.back_mut() else { return };
        let last = Arc::make_mut(last);
        let before = last.bytes.len();
        last.write(at.max(last.from), series, figures);
        self.bytes += last.bytes.len() - before;
    }

    /// Drops what is too old, and what there is no room for.
    pub fn trim(&mut self, now: u64) {
        while self.slabs.front().is_some_and(|slab| slab.from + self.span + self.keep <= now) {
            self.drop_first();
        }
        while self.bytes > self.budget && self.slabs.len() > 1 {
            let last = self.slabs.len() - 1;
            let fine = (0..last).find(|at| self.thins && self.slabs[*at].step < self.span);
            let Some(at) = fine else {
                self.drop_first();
                continue;
            };
            let thin = self.slabs[at].thinned(self.span);
            self.bytes = self.bytes - self.slabs[at].bytes.len() + thin.bytes.len();
            self.complete = self.slabs[at].from + self.span;
            self.slabs[at] = Arc::new(thin);
        }
    }

    fn drop_first(&mut self) {
        if let Some(gone) = self.slabs.pop_front() {
            self.bytes -= gone.bytes.len();
            self.complete = self.complete.max(gone.from + self.span);
        }
    }

    /// The slabs with something of a stretch of time.
    pub fn within(&self, from: u64, until: u64) -> Vec<Arc<Slab>> {
        let slabs = self.slabs.iter().filter(|slab| slab.from < until && slab.from + self.span > from);
        slabs.cloned().collect()
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.slabs.iter().map(|slab| slab.bytes.capacity() + size_of::<Slab>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Measure;

    fn figures(requests: u32) -> Figures {
        let mut figures = Figures::default();
        for number in 0..requests {
            figures.add(&Measure { status: 200, total: number * 37, upstream: Some(number), gateway: 1 });
        }
        figures
    }

    fn all(tier: &Tier) -> u64 {
        let mut sum = 0;
        tier.within(0, u64::MAX).iter().for_each(|slab| slab.read(|_, _, figures| sum += figures.sums.requests()));
        sum
    }

    #[test]
    fn what_is_old_goes() {
        let mut tier = Tier::new(1, 60, 3600, 1 << 20, false);
        for at in 1_000_000..1_008_000 {
            tier.add(at, 1, &figures(2));
            tier.trim(at);
        }
        let seconds = all(&tier) / 2;
        assert!((3600..=3720).contains(&seconds), "{seconds}");
        let mut moments = Vec::new();
        for slab in tier.within(1_007_000, 1_007_010) {
            slab.read(|at, series, figures| moments.push((at, series, figures.sums.requests())));
        }
        assert!(moments.contains(&(1_007_009, 1, 2)));
    }

    #[test]
    fn room_is_made_by_thinning_and_then_by_dropping() {
        const BUDGET: usize = 200_000;
        let mut tier = Tier::new(60, 3600, 7 * 86_400, BUDGET, true);
        let mut added = 0;
        for minute in 0..600 {
            for series in 0..20 {
                tier.add(minute * 60, series, &figures(30));
                added += 30;
            }
            tier.trim(minute * 60);
            assert!(tier.bytes <= BUDGET);
        }
        assert_eq!(all(&tier), added, "thinning loses no request");
        assert!(tier.complete > 0 && tier.slabs[0].step == 3600);
        tier.budget = 4000;
        tier.trim(600 * 60);
        assert!(all(&tier) < added);
    }
}
