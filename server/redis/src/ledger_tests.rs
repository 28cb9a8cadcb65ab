use super::*;
use exchange::counters::Counters;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::thread;

/// What a server does with batches.
#[derive(Default)]
struct Server {
    counts: BTreeMap<Vec<u8>, i64>,
    marks: BTreeMap<String, u64>,
}

/// What becomes of a batch on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// Never reaches the server.
    Lost,
    /// Is added, and the answer is lost.
    Unanswered,
}

impl Server {
    fn add(&mut self, batch: &Batch) -> Vec<Option<i64>> {
        let Mark { name, value } = batch.mark();
        let fresh = self.marks.insert(name, value) != Some(value);
        let add = |(counter, amount): (RemoteCounter, i64)| {
            let count = self.counts.entry(counter.name).or_default();
            *count += if fresh { amount } else { 0 };
            Some(*count)
        };
        batch.amounts().into_iter().map(add).collect()
    }

    fn count(&self, name: u8) -> i64 {
        self.counts.get(&vec![name]).copied().unwrap_or(0)
    }
}

struct Node {
    ledger: Ledger,
    books: Books,
}

impl Node {
    fn new() -> Self {
        Self { ledger: Ledger::default(), books: Books::default() }
    }

    /// Takes as [`crate::synced`] does.
    fn take(&self, server: &Server, windows: &[Window], names: &[u8]) -> Taken {
        if let Some(taken) = self.ledger.take(windows) {
            return taken;
        }
        for (window, name) in windows.iter().zip(names) {
            self.ledger.learn(window, &counter(*name), server.count(*name));
        }
        self.ledger.take(windows).expect("known by now")
    }

    /// Adds as [`crate::synced`] does.
    fn add(&self, server: &mut Server, window: Window, name: u8, amount: i64) {
        if !self.ledger.add(&[window], amount).is_empty()
            && let Some(count) = server.counts.get_mut(&vec![name])
        {
            *count += amount;
        }
    }

    fn pass(&mut self, server: &mut Server, mut fates: impl Iterator<Item = Fate>) -> bool {
        self.books.begin(&self.ledger);
        while let Some(batch) = self.books.next() {
            match fates.next().unwrap_or(Fate::Arrives) {
                Fate::Arrives => batch.settle(&server.add(&batch)),
                fate => {
                    if fate == Fate::Unanswered {
                        server.add(&batch);
                    }
                    self.books.keep(batch);
                    self.books.end(&self.ledger, 0, false);
                    return false;
                }
            }
        }
        self.books.end(&self.ledger, 0, true);
        true
    }
}

fn counter(name: u8) -> RemoteCounter {
    RemoteCounter { name: vec![name], limit: 0, lifetime: 60 }
}

fn window(keys: &Counters, name: u8, limit: u64) -> Window {
    Window { key: keys.key(&[&[name]]), limit, expires_at: 100 }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Unanswered)]
}

#[derive(Clone, Debug)]
enum Event {
    /// Node, names.
    Take(usize, Vec<u8>),
    /// Node, name: a unit that was taken there is given back, or made three.
    Settle(usize, u8, bool),
    /// Node, fates of its batches.
    Pass(usize, Vec<Fate>),
}

fn event() -> impl Strategy<Value = Event> {
    let names = prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1]), Just(vec![1, 2, 0])];
    prop_oneof![
        3 => (0..2_usize, names).prop_map(|(node, names)| Event::Take(node, names)),
        1 => (0..2_usize, 0..3_u8, any::<bool>()).prop_map(|(node, name, back)| Event::Settle(node, name, back)),
        1 => (0..2_usize, proptest::collection::vec(fate(), 0..3)).prop_map(|(node, fates)| Event::Pass(node, fates)),
    ]
}

proptest! {
    #[test]
    fn no_unit_is_lost_or_doubled(events in proptest::collection::vec(event(), 0..120), limit in 1..40_u64) {
        let keys = Counters::new(1);
        let (mut server, mut nodes) = (Server::default(), [Node::new(), Node::new()]);
        let mut granted = [0_i64; 3];
        let mut unsettled = [[0; 3]; 2];
        for event in events {
            match event {
                Event::Take(node, names) => {
                    let windows: Vec<_> = names.iter().map(|name| window(&keys, *name, limit)).collect();
                    let taken = nodes[node].take(&server, &windows, &names);
                    prop_assert_eq!(taken.used.len(), names.len());
                    prop_assert!(!taken.granted || taken.used.iter().all(|used| *used < limit));
                    if taken.granted {
                        names.iter().for_each(|name| {
                            granted[usize::from(*name)] += 1;
                            unsettled[node][usize::from(*name)] += 1;
                        });
                    }
                }
                Event::Settle(node, name, back) => {
                    let index = usize::from(name);
                    if unsettled[node][index] > 0 {
                        let amount = if back { -1 } else { 2 };
                        nodes[node].add(&mut server, window(&keys, name, limit), name, amount);
                        unsettled[node][index] -= 1;
                        granted[index] += amount;
                    }
                }
                Event::Pass(node, fates) => _ = nodes[node].pass(&mut server, fates.into_iter()),
            }
        }
        // A batch that was kept may leave newer amounts for the next pass, and what others read is as old as theirs.
        for _ in 0..3 {
            for node in &mut nodes {
                prop_assert!(node.pass(&mut server, std::iter::empty()));
            }
        }
        for name in 0..3_u8 {
            prop_assert_eq!(server.count(name), granted[usize::from(name)]);
            for node in &nodes {
                let told = node.take(&server, &[window(&keys, name, 0)], &[name]);
                prop_assert!(!told.granted && i64::try_from(told.used[0]).unwrap() <= server.count(name));
            }
        }
    }
}

#[test]
fn nodes_see_each_other_after_a_pass() {
    let keys = Counters::new(1);
    let (mut server, mut nodes) = (Server::default(), [Node::new(), Node::new()]);
    let windows = [window(&keys, 1, 5)];
    for _ in 0..3 {
        assert!(nodes[0].take(&server, &windows, &[1]).granted);
        assert!(nodes[1].take(&server, &windows, &[1]).granted);
    }
    nodes[0].pass(&mut server, std::iter::empty());
    nodes[1].pass(&mut server, std::iter::empty());
    assert_eq!(server.count(1), 6);
    assert_eq!(nodes[1].take(&server, &windows, &[1]), Taken { granted: false, used: [6].as_slice().into() });
    assert_eq!(nodes[0].take(&server, &windows, &[1]).used.as_slice(), [3]);
    nodes[0].pass(&mut server, std::iter::empty());
    assert_eq!(nodes[0].take(&server, &windows, &[1]).used.as_slice(), [7]);
}

#[test]
fn a_server_that_was_emptied_begins_anew() {
    let keys = Counters::new(1);
    let (mut server, mut node) = (Server::default(), Node::new());
    let windows = [window(&keys, 1, 9)];
    for _ in 0..4 {
        node.take(&server, &windows, &[1]);
    }
    node.pass(&mut server, std::iter::empty());
    server = Server::default();
    assert!(node.take(&server, &windows, &[1]).granted);
    node.pass(&mut server, std::iter::empty());
    assert_eq!((server.count(1), node.take(&server, &windows, &[1]).used[0]), (1, 1));
}

#[test]
fn a_window_leaves_when_nobody_asks_for_it() {
    let keys = Counters::new(1);
    let (mut server, mut node) = (Server::default(), Node::new());
    let windows = [window(&keys, 1, 9), window(&keys, 2, 9)];
    node.take(&server, &windows, &[1, 2]);
    for (fate, left) in [(Fate::Lost, 2), (Fate::Arrives, 2), (Fate::Arrives, 2), (Fate::Arrives, 0)] {
        node.pass(&mut server, std::iter::once(fate));
        assert_eq!(node.ledger.entries.pin().len(), left, "{fate:?}");
    }
    assert_eq!((server.count(1), server.count(2)), (1, 1));
    // What is over goes even while the server is away.
    node.take(&server, &windows, &[1, 2]);
    node.books.end(&node.ledger, 100, false);
    assert_eq!(node.ledger.entries.pin().len(), 0);
}

#[test]
fn a_full_ledger_learns_nothing_more() {
    let keys = Counters::new(1);
    let ledger = Ledger::default();
    for name in 0..4 {
        ledger.learn_within(2, &window(&keys, name, 9), &counter(name), 0);
    }
    assert_eq!(ledger.entries.pin().len(), 2);
    assert_eq!(ledger.take(&[window(&keys, 0, 9), window(&keys, 3, 9)]), None);
    assert_eq!(ledger.take(&[window(&keys, 0, 9)]).map(|taken| taken.used[0]), Some(0));
}

#[test]
fn exact_while_others_take_and_a_pass_runs() {
    let keys = Counters::new(1);
    let (mut server, mut node) = (Server::default(), Node::new());
    let windows = [window(&keys, 1, 3000), window(&keys, 2, 2500)];
    node.take(&server, &windows, &[1, 2]);
    let Node { ledger, books } = &mut node;
    let ledger: &Ledger = ledger;
    let granted: usize = thread::scope(|scope| {
        let take = || (0..2000).filter(|_| ledger.take(&windows).is_some_and(|taken| taken.granted)).count();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(take)).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            books.begin(ledger);
            while let Some(batch) = books.next() {
                batch.settle(&server.add(&batch));
            }
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // A unit given back in one window may have kept another request out of it meanwhile; never one too many.
    assert!((1..2500).contains(&granted), "{granted}");
    node.pass(&mut server, std::iter::empty());
    let total = i64::try_from(granted).unwrap() + 1;
    assert_eq!((server.count(1), server.count(2)), (total, total));
}
