//! The change log: an ordered, bounded memory of what was written.

use crate::Revision;
use crate::error::Error;
use crate::record::{Id, Record};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

/// What happened to what.
#[derive(Clone, Debug)]
pub enum ChangeKind {
    /// A record appeared (`before` absent), changed, or went (`after` absent).
    Record {
        /// The kind.
        entity: &'static str,
        /// The primary key.
        id: Id,
        /// The workspace.
        ws: Option<Uuid>,
        /// The record before.
        before: Option<Arc<Record>>,
        /// The record after.
        after: Option<Arc<Record>>,
    },
    /// Everything was replaced; whoever follows changes reads a view instead.
    Replaced {
        /// How many records there were.
        before: usize,
        /// How many there are.
        after: usize,
    },
}

/// One entry of the change log. All entries of a batch share its revision.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision that the batch made.
    pub revision: Revision,
    /// When it was applied.
    pub at: SystemTime,
    /// Who wanted it.
    pub author: Arc<str>,
    /// The request that asked for it; empty when none did.
    pub request_id: Arc<str>,
    /// What happened.
    pub kind: ChangeKind,
}

/// The newest changes, oldest first.
#[derive(Debug)]
pub struct Log {
    entries: VecDeque<Change>,
    capacity: usize,
    // Every change after this revision is in `entries`.
    complete_after: Revision,
}

impl Log {
    /// A log of at most `capacity` entries that begins after a revision.
    pub fn beginning_after(revision: Revision, capacity: usize) -> Log {
        Log { entries: VecDeque::new(), capacity: capacity.max(1), complete_after: revision }
    }

    /// Appends the newest change; the oldest makes room for it.
    pub fn push(&mut self, change: Change) {
        self.entries.push_back(change);
        while self.entries.len() > self.capacity {
            if let Some(dropped) = self.entries.pop_front() {
                self.complete_after = dropped.revision;
            }
        }
    }

    /// Changes after `revision`: whole batches, at least one, and no further batch once `limit` entries are reached.
    pub fn after(&self, revision: Revision, limit: usize) -> Result<Vec<Change>, Error> {
        if revision < self.complete_after {
            return Err(Error::Forgotten { oldest: self.complete_after });
        }
        let start = self.entries.partition_point(|change| change.revision <= revision);
        let mut found: Vec<Change> = Vec::new();
        for change in self.entries.range(start..) {
            if found.len() >= limit && found.last().is_some_and(|last| last.revision != change.revision) {
                break;
            }
            found.push(change.clone());
        }
        Ok(found)
    }

    /// Changes up to `revision`: whole batches, the newest first, at least one, and no further batch once `limit` entries are
    /// reached.
    pub(crate) fn until(&self, revision: Revision, limit: usize) -> Vec<Change> {
        let end = self.entries.partition_point(|change| change.revision <= revision);
        let mut found: Vec<Change> = Vec::new();
        let mut end = end;
        while end > 0 && (found.is_empty() || found.len() < limit) {
            let newest = self.entries[end - 1].revision;
            let start = self.entries.partition_point(|change| change.revision < newest);
            // A batch of which only a part is left is forgotten.
            if newest <= self.complete_after {
                break;
            }
            found.extend(self.entries.range(start..end).cloned());
            end = start;
        }
        found
    }
}
