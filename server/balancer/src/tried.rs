//! What a request has tried already.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::address::{Address, AddressId};

/// The addresses one request has tried, in order. Empty for the first try; costs no allocation up to four tries.
#[derive(Debug, Clone, Default)]
pub struct Tried(SmallVec<[(AddressId, Uuid); 4]>);

impl Tried {
    /// Nothing tried yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a try that failed, so that the next pick prefers others.
    pub fn add(&mut self, address: &Address) {
        self.0.push((address.id, address.target));
    }

    /// The number of tries noted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been tried.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has_address(&self, address: &Address) -> bool {
        self.0.iter().any(|(id, _)| *id == address.id)
    }

    pub(crate) fn has_target(&self, address: &Address) -> bool {
        self.0.iter().any(|(_, target)| *target == address.target)
    }
}
