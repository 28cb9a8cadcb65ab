//! Consistent hashing: Kong's continuum, so that a key goes where Kong would send it.
//!
//! Positions are xxHash32 of `<ip>::<port> <i>` modulo `slots`; a key walks down from its own slot to the first entry
//! that may be picked.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::address::Address;
use crate::candidates::Candidates;
use crate::hash::xxhash32;
use crate::target::Target;

/// Kong makes every smaller continuum this large.
const MIN_SLOTS: u32 = 1_000;
/// The largest the schema allows.
const MAX_SLOTS: u32 = 65_536;
/// Entries of an address when all weights are equal.
const POINTS: f64 = 160.0;
/// The share of the slots that entries may fill. With more, collisions push entries about at every change; an
/// Upstream with more Targets than that (46 at the default of 10,000 slots) gets fewer entries for each.
const FILL: f64 = 0.75;

#[derive(Debug)]
pub(crate) struct ConsistentHashing {
    /// Address indexes in the order of their slots.
    entries: Box<[u32]>,
    /// For each slot, the entry at it or the next one below, wrapping.
    slots: Box<[u32]>,
}

impl ConsistentHashing {
    /// `addresses[range]` of each Target is named by `ranges`, in the order of `targets`.
    pub(crate) fn new(
        slots: u32,
        targets: &[Target],
        ranges: &[std::ops::Range<usize>],
        addresses: &[Arc<Address>],
    ) -> Self {
        let slots = slots.clamp(MIN_SLOTS, MAX_SLOTS) as usize;
        let order = order(targets, ranges, addresses);
        let mut ring: Vec<Option<u32>> = vec![None; slots];
        let mut taken = 0;
        for (index, count) in counts(&order, targets.len(), slots, addresses) {
            let address = &addresses[index];
            let name = format!("{}::{} ", address.ip, address.socket.port());
            let mut buffer = name.clone();
            let mut placed = 0;
            // The bound is out of reach below the fill limit; it only ends the search when addresses outnumber slots.
            let mut attempts = 0..(64 * count.max(16) + slots as u64);
            while placed < count && taken < slots {
                let Some(attempt) = attempts.next() else { break };
                buffer.truncate(name.len());
                push_number(&mut buffer, attempt + 1);
                let slot = &mut ring[xxhash32(buffer.as_bytes()) as usize % slots];
                if slot.is_none() {
                    *slot = Some(index as u32);
                    placed += 1;
                    taken += 1;
                }
            }
        }
        Self::index(&ring)
    }

    fn index(ring: &[Option<u32>]) -> Self {
        let entries: Vec<u32> = ring.iter().flatten().copied().collect();
        if entries.is_empty() {
            return Self { entries: Box::default(), slots: Box::default() };
        }
        // Below the first entry the walk wraps to the last one.
        let mut below = entries.len() as u32 - 1;
        let mut next = 0;
        let slots = ring
            .iter()
            .map(|slot| {
                if slot.is_some() {
                    below = next;
                    next += 1;
                }
                below
            })
            .collect();
        Self { entries: entries.into(), slots }
    }

    pub(crate) fn pick(&self, hash: u32, candidates: &Candidates<'_>) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let start = self.slots[hash as usize % self.slots.len()] as usize;
        (0..=start)
            .rev()
            .chain((start + 1..self.entries.len()).rev())
            .map(|entry| self.entries[entry] as usize)
            .find(|index| candidates.admits(*index))
    }
}

/// Indexes of the addresses that have a weight, Targets by name and port, their addresses by `ip:port`.
fn order(targets: &[Target], ranges: &[std::ops::Range<usize>], addresses: &[Arc<Address>]) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..targets.len().min(ranges.len())).collect();
    sorted.sort_by(|a, b| {
        let (a, b) = (&targets[*a], &targets[*b]);
        a.host.as_bytes().cmp(b.host.as_bytes()).then(a.port.cmp(&b.port))
    });
    let text = |index: usize| format!("{}:{}", addresses[index].ip, addresses[index].socket.port());
    let mut found = Vec::with_capacity(addresses.len());
    for target in sorted {
        let mut own: Vec<usize> = ranges[target].clone().filter(|index| addresses[*index].weight > 0).collect();
        own.sort_by_cached_key(|index| text(*index));
        found.extend(own);
    }
    found
}

/// How many entries each address gets: by Kong's formula while they fit, else the fillable slots in proportion to the
/// weights. There the fraction is rounded up for as many addresses as it says, chosen by their hash: all of them gaining
/// an entry at once when a Target goes would move far more keys than the Target had.
fn counts(order: &[usize], targets: usize, slots: usize, addresses: &[Arc<Address>]) -> Vec<(usize, u64)> {
    let total: f64 = order.iter().map(|index| f64::from(addresses[*index].weight)).sum();
    let share = |index: usize| f64::from(addresses[index].weight) / total;
    let plain: Vec<(usize, u64)> =
        order.iter().map(|index| (*index, ((share(*index) * targets as f64 * POINTS).floor() as u64).max(1))).collect();
    let room = slots as f64 * FILL;
    let wanted: f64 = plain.iter().map(|(_, count)| *count as f64).sum();
    if wanted.partial_cmp(&room) != Some(Ordering::Greater) {
        return plain;
    }
    order
        .iter()
        .map(|index| {
            let address = &addresses[*index];
            let name = format!("{}::{}", address.ip, address.socket.port());
            let dither = f64::from(xxhash32(name.as_bytes())) / 4_294_967_296.0;
            (*index, ((share(*index) * room + dither).floor() as u64).max(1))
        })
        .collect()
}

fn push_number(buffer: &mut String, number: u64) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(buffer, "{number}");
}
