//! Which addresses one pick may choose from.

use std::sync::Arc;

use crate::address::Address;
use crate::breaker::Guard;
use crate::tried::Tried;

/// The addresses of a balancer, seen through health, breakers and what the request has tried.
pub(crate) struct Candidates<'a> {
    pub addresses: &'a [Arc<Address>],
    /// Whether health must be looked at: false while every address is available.
    checked: bool,
    /// Where breakers are to be asked.
    guard: Option<Guard<'a>>,
    tried: &'a Tried,
    freshness: Freshness,
}

/// How much of what the request has tried must be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Any,
    UntriedAddress,
    UntriedTarget,
}

impl<'a> Candidates<'a> {
    /// Chooses the strictest rule that leaves someone: untried Targets, else untried addresses, else any.
    pub(crate) fn new(
        addresses: &'a [Arc<Address>],
        checked: bool,
        tried: &'a Tried,
        guard: Option<Guard<'a>>,
    ) -> Self {
        let mut candidates = Self { addresses, checked, guard, tried, freshness: Freshness::Any };
        if tried.is_empty() {
            return candidates;
        }
        let mut best = Freshness::Any;
        for address in addresses.iter().filter(|address| address.weight > 0 && candidates.available(address)) {
            if !tried.has_target(address) {
                best = Freshness::UntriedTarget;
                break;
            }
            if !tried.has_address(address) {
                best = Freshness::UntriedAddress;
            }
        }
        candidates.freshness = best;
        candidates
    }

    /// Whether the address at this index may be picked. Weights are the algorithm's business.
    #[inline]
    pub(crate) fn admits(&self, index: usize) -> bool {
        self.addresses.get(index).is_some_and(|address| {
            self.available(address)
                && match self.freshness {
                    Freshness::Any => true,
                    Freshness::UntriedAddress => !self.tried.has_address(address),
                    Freshness::UntriedTarget => !self.tried.has_target(address),
                }
        })
    }

    #[inline]
    fn available(&self, address: &Address) -> bool {
        (!self.checked || address.state.health.state().available())
            && self.guard.as_ref().is_none_or(|guard| guard.admits(address))
    }
}
