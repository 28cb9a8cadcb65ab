//! Which plugins run for a request, and with which configuration.

use exchange::{Identity, Instance, Phases};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

type ById = HashMap<Uuid, Ranked, foldhash::fast::RandomState>;

/// A configured plugin with its place in the order of precedence; smaller wins.
#[derive(Clone)]
struct Ranked {
    rank: u8,
    instance: Arc<dyn Instance>,
}

/// What one `plugins` entity is attached to, and the plugin it configures.
#[derive(Clone)]
pub(crate) struct Attached {
    pub route: Option<Uuid>,
    pub service: Option<Uuid>,
    pub consumer: Option<Uuid>,
    pub group: Option<Uuid>,
    pub workspace: Uuid,
    /// Whether it takes part in requests.
    pub http: bool,
    /// Whether it takes part in sessions of the stream subsystem.
    pub stream: bool,
    pub instance: Arc<dyn Instance>,
}

impl Attached {
    /// Kong's order, consumer groups included: consumer+route+service, group+route+service, consumer+route,
    /// consumer+service, group+route, group+service, route+service, consumer, group, route, service, global.
    fn rank(&self) -> u8 {
        let (route, service) = (self.route.is_some(), self.service.is_some());
        match (self.consumer.is_some(), self.group.is_some(), route, service) {
            (true, _, true, true) => 0,
            (false, true, true, true) => 1,
            (true, _, true, false) => 2,
            (true, _, false, true) => 3,
            (false, true, true, false) => 4,
            (false, true, false, true) => 5,
            (false, false, true, true) => 6,
            (true, _, false, false) => 7,
            (false, true, false, false) => 8,
            (false, false, true, false) => 9,
            (false, false, false, true) => 10,
            (false, false, false, false) => 11,
        }
    }
}

/// One plugin name of a chain. Which of its configurations runs depends on the Consumer known when its turn comes.
pub struct Slot {
    name: &'static str,
    priority: i32,
    anyone: Option<Ranked>,
    by_consumer: ById,
    by_group: ById,
}

impl Slot {
    /// The plugin's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether one of its configurations needs clients' certificates.
    pub(crate) fn asks_for_certificate(&self) -> bool {
        let of_groups_and_consumers = self.by_consumer.values().chain(self.by_group.values());
        self.anyone.iter().chain(of_groups_and_consumers).any(|ranked| ranked.instance.asks_for_certificate())
    }

    /// The configuration that runs for this identity, or none.
    #[inline]
    pub fn choose(&self, identity: &Identity) -> Option<&Arc<dyn Instance>> {
        if self.by_consumer.is_empty() && self.by_group.is_empty() {
            return self.anyone.as_ref().map(|ranked| &ranked.instance);
        }
        let mut best = self.anyone.as_ref();
        if let Some(consumer) = &identity.consumer {
            let of_group = consumer.groups.iter().find_map(|group| self.by_group.get(group));
            for ranked in [self.by_consumer.get(&consumer.id), of_group].into_iter().flatten() {
                if best.is_none_or(|best| ranked.rank < best.rank) {
                    best = Some(ranked);
                }
            }
        }
        best.map(|ranked| &ranked.instance)
    }
}

/// The plugins of a Route (or of requests without one), by priority.
#[derive(Default)]
pub struct Chain {
    slots: Vec<Slot>,
    certificate: Vec<Arc<dyn Instance>>,
    rewrite: Vec<Arc<dyn Instance>>,
}

impl Chain {
    /// A chain of the configurations that may apply. Larger priority first; equal priorities by name, descending.
    pub(crate) fn new<'a>(attached: impl Iterator<Item = &'a Attached>) -> Self {
        let mut slots: HashMap<&'static str, Slot> = HashMap::new();
        for attached in attached {
            let ranked = Ranked { rank: attached.rank(), instance: attached.instance.clone() };
            let name = attached.instance.name();
            let slot = slots.entry(name).or_insert_with(|| Slot {
                name,
                priority: attached.instance.priority(),
                anyone: None,
                by_consumer: ById::default(),
                by_group: ById::default(),
            });
            match (attached.consumer, attached.group) {
                (Some(consumer), _) => better(&mut slot.by_consumer, consumer, ranked),
                (None, Some(group)) => better(&mut slot.by_group, group, ranked),
                (None, None) => {
                    if slot.anyone.as_ref().is_none_or(|held| ranked.rank < held.rank) {
                        slot.anyone = Some(ranked);
                    }
                }
            }
        }
        let mut slots: Vec<_> = slots.into_values().collect();
        slots.sort_by(|a, b| b.priority.cmp(&a.priority).then(b.name.cmp(a.name)));
        let everywhere = |phase: Phases| {
            let anyone = slots.iter().filter_map(|slot| slot.anyone.as_ref());
            let global = anyone.filter(|ranked| ranked.rank == 11 && ranked.instance.phases().has(phase));
            global.map(|ranked| ranked.instance.clone()).collect()
        };
        let (certificate, rewrite) = (everywhere(Phases::CERTIFICATE), everywhere(Phases::REWRITE));
        Self { slots, certificate, rewrite }
    }

    /// The plugins, in the order in which they run.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Global configurations that take part in TLS handshakes.
    pub fn certificate(&self) -> &[Arc<dyn Instance>] {
        &self.certificate
    }

    /// Global configurations with a rewrite phase.
    pub fn rewrite(&self) -> &[Arc<dyn Instance>] {
        &self.rewrite
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

fn better(held: &mut ById, id: Uuid, ranked: Ranked) {
    if held.get(&id).is_none_or(|held| ranked.rank < held.rank) {
        held.insert(id, ranked);
    }
}

/// Chains of Routes without plugins of their own, by workspace and Service.
type Shared = HashMap<(Uuid, Option<Uuid>), Arc<Chain>>;

/// Finds the plugins of each Route; Routes without plugins of their own share the chain of their Service.
pub(crate) struct Chains<'a> {
    by_route: HashMap<Uuid, Vec<&'a Attached>>,
    by_service: HashMap<Uuid, Vec<&'a Attached>>,
    anywhere: HashMap<Uuid, Vec<&'a Attached>>,
    shared: RefCell<Shared>,
}

impl<'a> Chains<'a> {
    pub(crate) fn new(all: impl Iterator<Item = &'a Attached>) -> Self {
        let (mut by_route, mut by_service) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut anywhere = HashMap::<_, Vec<_>>::new();
        for attached in all {
            match (attached.route, attached.service) {
                (Some(route), _) => by_route.entry(route).or_default().push(attached),
                (None, Some(service)) => by_service.entry(service).or_default().push(attached),
                (None, None) => anywhere.entry(attached.workspace).or_default().push(attached),
            }
        }
        Self { by_route, by_service, anywhere, shared: Default::default() }
    }

    pub(crate) fn of(&self, workspace: Uuid, route: Uuid, service: Option<Uuid>) -> Arc<Chain> {
        match self.by_route.get(&route) {
            None => self
                .shared
                .borrow_mut()
                .entry((workspace, service))
                .or_insert_with(|| Arc::new(Chain::new(self.wider(workspace, service))))
                .clone(),
            Some(own) => {
                let own =
                    own.iter().copied().filter(|attached| attached.service.is_none() || attached.service == service);
                Arc::new(Chain::new(own.chain(self.wider(workspace, service))))
            }
        }
    }

    fn wider(&self, workspace: Uuid, service: Option<Uuid>) -> impl Iterator<Item = &'a Attached> + '_ {
        let of_service = service.and_then(|service| self.by_service.get(&service));
        let of_workspace = self.anywhere.get(&workspace);
        [of_service, of_workspace].into_iter().flatten().flatten().copied()
    }

    /// Requests without a Route are served by the default workspace's global plugins.
    pub(crate) fn unattached(&self) -> Arc<Chain> {
        Arc::new(Chain::new(self.wider(entities::DEFAULT_WORKSPACE, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::{Chunk, Consumer, Exchange, Flow, Step};

    struct Named(&'static str, i32);

    impl Instance for Named {
        fn name(&self) -> &'static str {
            self.0
        }
        fn priority(&self) -> i32 {
            self.1
        }
        fn phases(&self) -> Phases {
            Phases::ACCESS
        }
        fn rewrite<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
            Step::NEXT
        }
        fn access<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
            Step::NEXT
        }
        fn response<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
            Step::NEXT
        }
        fn header_filter(&self, _: &mut Exchange) -> Flow {
            Flow::Next
        }
        fn body_filter(&self, _: &mut Exchange, _: &mut Chunk) {}
        fn log(&self, _: &Exchange) {}
    }

    fn attached(scope: &str, instance: &Arc<dyn Instance>) -> Attached {
        let id = |letter: char, id: u128| scope.contains(letter).then(|| Uuid::from_u128(id));
        Attached {
            route: id('r', 1),
            service: id('s', 2),
            consumer: id('c', 3),
            group: id('g', 4),
            workspace: Uuid::nil(),
            http: true,
            stream: false,
            instance: instance.clone(),
        }
    }

    #[test]
    fn the_most_specific_configuration_runs() {
        let order = ["crs", "grs", "cr", "cs", "gr", "gs", "rs", "c", "g", "r", "s", ""];
        let groups = vec![Uuid::from_u128(4)];
        let consumer = Arc::new(Consumer { id: Uuid::from_u128(3), groups, ..Consumer::default() });
        let known = Identity { consumer: Some(consumer), ..Identity::default() };
        for (index, winner) in order.iter().enumerate() {
            let expected: Arc<dyn Instance> = Arc::new(Named("p", 1));
            let other: Arc<dyn Instance> = Arc::new(Named("p", 1));
            let mut rows: Vec<_> = order[index + 1..].iter().rev().map(|scope| attached(scope, &other)).collect();
            rows.insert(rows.len() / 2, attached(winner, &expected));
            let chain = Chain::new(rows.iter());
            let chosen = chain.slots()[0].choose(&known).unwrap();
            assert!(Arc::ptr_eq(chosen, &expected), "{winner:?} must win");
            let stranger = chain.slots()[0].choose(&Identity::default());
            let none_for_strangers = winner.contains(['c', 'g']) && order[index + 1..].is_empty();
            assert_eq!(stranger.is_none(), none_for_strangers);
        }
    }

    #[test]
    fn plugins_run_by_priority_then_name_descending() {
        let rows: Vec<_> = [("a", 1), ("z", 1), ("m", 9)]
            .map(|(name, priority)| attached("", &(Arc::new(Named(name, priority)) as Arc<dyn Instance>)))
            .into();
        let chain = Chain::new(rows.iter());
        assert_eq!(chain.slots().iter().map(Slot::name).collect::<Vec<_>>(), ["m", "z", "a"]);
    }
}
