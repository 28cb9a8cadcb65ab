//! What is known of a number of requests, and how it is written down in few bytes.

use crate::histogram::{Histogram, bucket};

/// Requests by the first digit of their status; the last is what has none.
pub const CLASSES: usize = 6;

/// The class of a status: 0 to 4 for 1xx to 5xx, 5 for what is no status.
#[inline]
pub fn class(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100 - 1),
        _ => CLASSES - 1,
    }
}

/// One request, measured; times in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Its status; 0 for none.
    pub status: u16,
    /// From its first byte to the last of its answer.
    pub total: u32,
    /// How long the upstream was waited for; `None` where none was asked.
    pub upstream: Option<u32>,
    /// The rest, up to the head of the answer.
    pub gateway: u32,
}

/// Several requests, added up. Times in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Requests by class of status.
    pub classes: [u32; CLASSES],
    /// How long they took.
    pub total: u64,
    /// How many asked an upstream.
    pub asked: u32,
    /// How long upstreams were waited for.
    pub upstream: u64,
    /// The rest up to the heads of the answers.
    pub gateway: u64,
    /// How long the longest took.
    pub longest: u32,
}

impl Sums {
    /// Adds one request.
    #[inline]
    pub fn add(&mut self, measure: &Measure) {
        self.classes[class(measure.status)] += 1;
        self.total += u64::from(measure.total);
        self.asked += u32::from(measure.upstream.is_some());
        self.upstream += u64::from(measure.upstream.unwrap_or(0));
        self.gateway += u64::from(measure.gateway);
        self.longest = self.longest.max(measure.total);
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.classes.iter_mut().zip(other.classes) {
            *count = count.saturating_add(more);
        }
        self.total += other.total;
        self.asked = self.asked.saturating_add(other.asked);
        self.upstream += other.upstream;
        self.gateway += other.gateway;
        self.longest = self.longest.max(other.longest);
    }

    /// How many there were.
    pub fn requests(&self) -> u64 {
        self.classes.iter().map(|count| u64::from(*count)).sum()
    }
}

/// Several requests: their sums, and how long they took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What they add up to.
    pub sums: Sums,
    /// How long they took.
    pub durations: Histogram,
}

impl Figures {
    /// Adds one request.
    pub fn add(&mut self, measure: &Measure) {
        self.sums.add(measure);
        self.durations.add(bucket(measure.total), 1);
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.durations.merge(&other.durations);
    }

    /// Forgets everything, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.sums = Sums::default();
        self.durations.0.clear();
    }

    /// Appends these figures: a mask of the classes that occurred, their counts, the buckets, the sums.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Sums { classes, total, asked, upstream, gateway, longest } = self.sums;
        out.push(classes.iter().enumerate().fold(0, |mask, (at, count)| mask | u8::from(*count > 0) << at));
        for count in classes.into_iter().filter(|count| *count > 0) {
            number(out, u64::from(count));
        }
        number(out, self.durations.0.len() as u64);
        for (bucket, count) in &self.durations.0 {
            out.push(*bucket);
            number(out, u64::from(*count));
        }
        for sum in [total, u64::from(asked), upstream, gateway, u64::from(longest)] {
            number(out, sum);
        }
    }

    /// Reads what [`Figures::write`] has written, in place of what was here.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Option<()> {
        self.clear();
        let mask = byte(bytes)?;
        for at in (0..CLASSES).filter(|at| mask & 1 << at != 0) {
            self.sums.classes[at] = small(bytes)?;
        }
        for _ in 0..read_number(bytes)? {
            let bucket = byte(bytes)?;
            self.durations.0.push((bucket, small(bytes)?));
        }
        self.sums.total = read_number(bytes)?;
        self.sums.asked = small(bytes)?;
        self.sums.upstream = read_number(bytes)?;
        self.sums.gateway = read_number(bytes)?;
        self.sums.longest = small(bytes)?;
        Some(())
    }
}

pub(crate) fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn small(bytes: &mut &[u8]) -> Option<u32> {
    u32::try_from(read_number(bytes)?).ok()
}

/// Seven bits a byte, the low ones first.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(bytes)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn measures() -> impl Strategy<Value = Vec<Measure>> {
        let one = (0u16..700, any::<u32>(), proptest::option::of(any::<u32>()), any::<u32>());
        let one = one.prop_map(|(status, total, upstream, gateway)| Measure { status, total, upstream, gateway });
        proptest::collection::vec(one, 0..50)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(measures in measures()) {
            let mut figures = Figures::default();
            measures.iter().for_each(|measure| figures.add(measure));
            let mut bytes = Vec::new();
            figures.write(&mut bytes);
            let mut read = Figures::default();
            read.add(&Measure::default());
            let mut rest = bytes.as_slice();
            prop_assert!(read.read(&mut rest).is_some() && rest.is_empty());
            prop_assert_eq!(read, figures);
        }

        #[test]
        fn merging_is_adding(one in measures(), other in measures()) {
            let of = |measures: &[Measure]| {
                let mut figures = Figures::default();
                measures.iter().for_each(|measure| figures.add(measure));
                figures
            };
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(merged, of(&[one, other].concat()));
        }

        #[test]
        fn bytes_that_are_none_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = bytes.as_slice();
            let _ = Figures::default().read(&mut rest);
        }
    }

    #[test]
    fn a_single_request_takes_few_bytes() {
        let mut figures = Figures::default();
        figures.add(&Measure { status: 200, total: 1500, upstream: Some(1200), gateway: 200 });
        let mut bytes = Vec::new();
        figures.write(&mut bytes);
        assert!(bytes.len() <= 14, "{}", bytes.len());
    }
}
