//! What this process wrote last, so that those who follow changes need not ask the database for it.

use std::sync::{Mutex, PoisonError};
use store::{Change, Log, Revision};

/// How many changes are kept at most.
const KEPT: usize = 256;

/// The newest changes, as long as nobody else writes.
pub(crate) struct Recent {
    log: Mutex<(Revision, Log)>,
    kept: usize,
}

impl Recent {
    /// Nothing is known of what led to `revision`. `keep`: how many the database keeps.
    pub(crate) fn new(revision: Revision, keep: u64) -> Self {
        let kept = usize::try_from(keep).map_or(KEPT, |keep| keep.min(KEPT));
        Self { log: Mutex::new((revision, Log::beginning_after(revision, kept))), kept }
    }

    /// This process made `revision` with these changes.
    pub(crate) fn add(&self, revision: Revision, changes: Vec<Change>) {
        let (newest, log) = &mut *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if revision != *newest + 1 {
            // Others wrote in between, or the database is another one than it was.
            *log = Log::beginning_after(revision.saturating_sub(1), self.kept);
        }
        *newest = revision;
        for change in changes {
            log.push(change);
        }
    }

    /// Changes after a revision as [`store::Store::changes`] gives them; `None` where only the database knows.
    /// `newest`: the newest revision that is known of.
    pub(crate) fn after(&self, revision: Revision, limit: usize, newest: Revision) -> Option<Vec<Change>> {
        let (own, log) = &*self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (*own == newest && revision <= newest).then(|| log.after(revision, limit).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;
    use store::ChangeKind;

    fn change(revision: Revision) -> Change {
        let kind = ChangeKind::Replaced { before: 0, after: 0 };
        Change { revision, at: SystemTime::UNIX_EPOCH, author: "".into(), request_id: "".into(), kind }
    }

    fn revisions(found: Option<Vec<Change>>) -> Option<Vec<Revision>> {
        found.map(|changes| changes.iter().map(|change| change.revision).collect())
    }

    #[test]
    fn only_what_is_known_whole_is_told() {
        let recent = Recent::new(7, 1000);
        assert_eq!(revisions(recent.after(7, 10, 7)), Some(vec![]));
        assert_eq!(revisions(recent.after(6, 10, 7)), None);
        recent.add(8, vec![change(8), change(8)]);
        recent.add(9, vec![]);
        assert_eq!(revisions(recent.after(7, 10, 9)), Some(vec![8, 8]));
        assert_eq!(revisions(recent.after(9, 10, 9)), Some(vec![]));
        // Somebody else wrote, or the database was restored.
        assert_eq!(revisions(recent.after(7, 10, 10)), None);
        assert_eq!(revisions(recent.after(7, 10, 5)), None);
        recent.add(11, vec![change(11)]);
        assert_eq!(revisions(recent.after(7, 10, 11)), None);
        assert_eq!(revisions(recent.after(10, 10, 11)), Some(vec![11]));
    }

    #[test]
    fn what_is_too_much_is_the_databases() {
        let recent = Recent::new(0, 1000);
        recent.add(1, (0..KEPT + 1).map(|_| change(1)).collect());
        assert_eq!(revisions(recent.after(0, 10, 1)), None);
        assert_eq!(revisions(recent.after(1, 10, 1)), Some(vec![]));
    }
}
