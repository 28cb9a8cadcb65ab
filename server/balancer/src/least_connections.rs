//! Least connections: the lowest (active + 1) / weight.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::address::{Address, AddressState};
use crate::candidates::Candidates;
use crate::round_robin::Cursor;

#[derive(Debug)]
pub(crate) struct LeastConnections {
    /// Weight and counters of each address, side by side for the scan.
    entries: Box<[(u32, Arc<AddressState>)]>,
    /// Where the scan starts, so that ties take turns.
    cursor: Cursor,
}

impl LeastConnections {
    pub(crate) fn new(addresses: &[Arc<Address>]) -> Self {
        let entries = addresses.iter().map(|address| (address.weight, address.state.clone())).collect();
        Self { entries, cursor: Cursor::default() }
    }

    pub(crate) fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let length = self.entries.len();
        if length == 0 {
            return None;
        }
        let start = self.cursor.step() % length;
        let mut best: Option<(u64, u64, usize)> = None;
        for index in (start..length).chain(0..start) {
            let (weight, state) = &self.entries[index];
            let weight = u64::from(*weight);
            if weight == 0 {
                continue;
            }
            let load = u64::from(state.active.load(Ordering::Relaxed)) + 1;
            // a/b < c/d as a·d < c·b: both factors fit in 33 bits, but their product may not fit in 64.
            let better = best.is_none_or(|(best_load, best_weight, _)| {
                u128::from(load) * u128::from(best_weight) < u128::from(best_load) * u128::from(weight)
            });
            if better && candidates.admits(index) {
                best = Some((load, weight, index));
            }
        }
        best.map(|(_, _, index)| index)
    }
}
