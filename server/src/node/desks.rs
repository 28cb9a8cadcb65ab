//! What configured plugins have to show at the Admin API: those that are configured now.

use exchange::Desks;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Error, Id, Store};
use uuid::Uuid;

/// What the plugins of a workspace have opened, one of each, by the plugins' ids; `of` tells plugin and workspace of one.
pub(super) async fn opened<T: Send + Sync + 'static>(
    desks: &Desks,
    store: &dyn Store,
    workspace: Uuid,
    of: impl Fn(&T) -> (Uuid, Uuid) + Send,
) -> Result<Vec<Arc<T>>, Error> {
    let mut newest: BTreeMap<Uuid, Arc<T>> = BTreeMap::new();
    for desk in desks.all::<T>() {
        let (plugin, place) = of(&desk);
        if place == workspace {
            newest.entry(plugin).or_insert(desk);
        }
    }
    // A Snapshot that no request sees any more may be there for a while, and its plugins with it.
    let mut opened = Vec::new();
    for (plugin, desk) in newest {
        if store.get("plugins", &Id::Uuid(plugin)).await?.is_some() {
            opened.push(desk);
        }
    }
    Ok(opened)
}
