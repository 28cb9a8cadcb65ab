//! What configured plugins have to show at the Admin API.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Things that configured plugins have opened, by type. Each is here as long as its plugin.
#[derive(Default)]
pub struct Desks(Mutex<Vec<Weak<dyn Any + Send + Sync>>>);

impl Desks {
    /// Makes something known, for as long as somebody has what this returns.
    pub fn open<T: Send + Sync + 'static>(&self, desk: T) -> Arc<T> {
        let desk = Arc::new(desk);
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        desks.retain(|known| known.strong_count() > 0);
        // The newest first: after a change of a configuration the former one may still be in use by a request.
        let opened: Arc<dyn Any + Send + Sync> = desk.clone();
        desks.insert(0, Arc::downgrade(&opened));
        desk
    }

    /// Everything of a type, what was opened last first.
    pub fn all<T: Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        desks.iter().filter_map(Weak::upgrade).filter_map(|desk| desk.downcast().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desks_are_known_as_long_as_their_plugins() {
        let desks = Desks::default();
        let (first, _second, _other) = (desks.open(1_u8), desks.open(2_u8), desks.open("text"));
        let known = || desks.all::<u8>().iter().map(|desk| **desk).collect::<Vec<_>>();
        assert_eq!((known(), desks.all::<u64>().len()), (vec![2, 1], 0));
        drop(first);
        assert_eq!(known(), [2]);
    }
}
