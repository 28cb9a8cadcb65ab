//! Which `plugins` entity a configured plugin comes from, and what that entity is attached to.

use crate::{Chain, Snapshot};
use exchange::{Identity, Instance};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// A plugin that runs for a request, with where it comes from.
pub struct Origin<'s> {
    /// The plugin as it is configured.
    pub instance: &'s Arc<dyn Instance>,
    /// The entity; `None` for one that is not the configuration's.
    pub id: Option<Uuid>,
    /// The Route it is attached to.
    pub route: Option<Uuid>,
    /// The Service it is attached to.
    pub service: Option<Uuid>,
    /// The Consumer it is attached to.
    pub consumer: Option<Uuid>,
    /// The Consumer group it is attached to.
    pub group: Option<Uuid>,
}

impl Snapshot {
    /// The entity that a configured plugin comes from; `None` where it is not this configuration's. Looks at all of them.
    pub fn origin_of(&self, instance: &Arc<dyn Instance>) -> Option<Uuid> {
        let found = self.configured.iter().find(|(_, (_, attached))| Arc::ptr_eq(&attached.instance, instance));
        found.map(|(id, _)| *id)
    }

    /// The plugins of a chain that run for an identity, in their order.
    pub fn origins<'s>(&'s self, chain: &'s Chain, identity: &Identity) -> Vec<Origin<'s>> {
        let address = |instance: &Arc<dyn Instance>| Arc::as_ptr(instance).cast::<()>();
        let known: HashMap<_, _> =
            self.configured.iter().map(|(id, (_, attached))| (address(&attached.instance), (*id, attached))).collect();
        let chosen = chain.slots().iter().filter_map(|slot| slot.choose(identity));
        chosen
            .map(|instance| {
                let found = known.get(&address(instance));
                let attached = found.map(|(_, attached)| *attached);
                Origin {
                    instance,
                    id: found.map(|(id, _)| *id),
                    route: attached.and_then(|attached| attached.route),
                    service: attached.and_then(|attached| attached.service),
                    consumer: attached.and_then(|attached| attached.consumer),
                    group: attached.and_then(|attached| attached.group),
                }
            })
            .collect()
    }
}
