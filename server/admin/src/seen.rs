//! Which entities of its workspace a request may know of, for what tells of many without naming them by a path.

use crate::respond::Answer;
use crate::scope::{STEP, Scope};
use access::Action;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::Filter;
use uuid::Uuid;

/// Entities that may be told of, by kind; of a kind that is not here, none.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<HashMap<&'static str, Extent>>);

/// How much of a kind.
#[derive(Clone, Debug)]
enum Extent {
    All,
    Some(HashSet<Uuid>),
}

impl Seen {
    /// Everything of these kinds.
    pub fn all(kinds: &[&'static str]) -> Self {
        Self(Arc::new(kinds.iter().map(|kind| (*kind, Extent::All)).collect()))
    }

    /// Whether an entity may be told of.
    pub fn sees(&self, kind: &str, id: Uuid) -> bool {
        match self.0.get(kind) {
            Some(Extent::All) => true,
            Some(Extent::Some(ids)) => ids.contains(&id),
            None => false,
        }
    }

    /// Whether every entity of a kind may be told of, also those that are gone.
    pub fn sees_all(&self, kind: &str) -> bool {
        matches!(self.0.get(kind), Some(Extent::All))
    }
}

impl Scope<'_> {
    /// What of these kinds the lists of the workspace show to the one who asks.
    pub(crate) async fn seen(&self, kinds: &[&'static str]) -> Result<Seen, Answer> {
        let mut seen = HashMap::new();
        for &name in kinds {
            let Some(kind) = self.kinds.position(name) else { continue };
            if !self.pass.opens(&[self.kinds.get(kind).path.unwrap_or(name)], Action::Read) {
                continue;
            }
            if self.pass.lists_all(self.ws(kind)) {
                seen.insert(name, Extent::All);
                continue;
            }
            let (mut ids, mut after) = (HashSet::new(), None);
            loop {
                let page = self.read(kind, after, STEP, Filter::default()).await?;
                ids.extend(page.records.iter().filter_map(|record| record.id.uuid()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            seen.insert(name, Extent::Some(ids));
        }
        Ok(Seen(Arc::new(seen)))
    }
}
