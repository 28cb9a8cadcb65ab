//! What a node remembers of the requests it has served: figures of each second of the last hour and of each minute of the
//! last week, by workspace, Service, Route, Consumer and Target, and the requests worth a look as a whole.
//!
//! Invariants: a worker takes no lock, waits for nothing and allocates only for the few requests that are kept whole; it
//! fills a table of its own, which the history's thread takes in. Memory is bounded: what there is no room for is thinned,
//! then dropped, the oldest first. Nothing is kept before its secrets are masked.

mod figures;
mod histogram;
mod hub;
mod kept;
mod memory;
mod query;
mod recorder;
mod slab;
mod table;
mod trace;

pub use figures::{Figures, Measure, Sums};
pub use histogram::Histogram;
pub use kept::{Wanted, offset, shown};
pub use memory::{Kind, Series};
pub use query::{POINTS, Question, Row};
pub use recorder::Recorder;
pub use table::Owner;
pub use trace::{Kept, Trace};

use arc_swap::ArcSwap;
use exchange::mask::Masks;
use hub::Hub;
use kept::Keeping;
use memory::Memory;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Time between two looks at what workers have handed over.
const LOOK: Duration = Duration::from_millis(200);
/// How far into a second the one before is complete: workers hand over within 50 ms.
const GRACE: u32 = 120_000_000;
/// A request that is faster than this (µs) is not slow, whatever is usual; and how many times the usual is slow.
const NEVER_SLOW: u64 = 100_000;
const TIMES: u64 = 10;
/// A clock that was set back by more seconds than this begins a new history.
const BACK: u64 = 60;

/// A node's memory of its requests.
pub struct History {
    hub: Arc<Hub>,
    memory: Mutex<Memory>,
    keeping: Mutex<Keeping>,
    /// The second that is being collected: the ones before are complete.
    now: watch::Sender<u64>,
    stop: AtomicBool,
}

impl History {
    /// A history that nobody attends yet.
    pub fn new(masks: Arc<ArcSwap<Masks>>) -> Arc<Self> {
        let now = seconds(SystemTime::now());
        Arc::new(Self {
            hub: Arc::new(Hub::new(masks)),
            memory: Mutex::new(Memory::new(now)),
            keeping: Mutex::default(),
            now: watch::Sender::new(now),
            stop: AtomicBool::new(false),
        })
    }

    /// Starts the thread that takes in what workers hand over; it ends with the history.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn attend(self: &Arc<Self>) -> std::io::Result<()> {
        let history = Arc::downgrade(self);
        let attending = move || {
            loop {
                match history.upgrade() {
                    Some(history) if !history.stop.load(Relaxed) => history.look(SystemTime::now()),
                    _ => return,
                }
                std::thread::sleep(LOOK);
            }
        };
        std::thread::Builder::new().name("history".into()).spawn(attending).map(drop)
    }

    /// Ends it: nobody waits for another second.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
        self.now.send_replace(0);
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// What a worker records with.
    pub fn recorder(&self) -> Recorder {
        Recorder::new(self.hub.clone())
    }

    /// Takes in what was handed over; `now` by the wall clock.
    pub fn look(&self, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (second, settled) = (since.as_secs(), since.subsec_nanos() >= GRACE);
        let mut kept = Vec::new();
        while let Some(trace) = self.hub.traces.pop() {
            kept.push(*trace);
        }
        if !kept.is_empty() {
            let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            kept.into_iter().for_each(|trace| keeping.add(trace));
        }
        let mut memory = self.memory();
        if second + BACK < memory.now {
            *memory = Memory::new(second);
        }
        let mut later = Vec::new();
        while let Some(table) = self.hub.filled.pop() {
            if table.second > memory.now {
                later.push(table);
            } else {
                memory.take(&table);
                self.hub.give_back(table);
            }
        }
        let over = second > memory.now && (settled || second > memory.now + 1);
        if over {
            memory.close(second);
            let usual = memory.usual.map_or(u64::MAX, |usual| (usual * TIMES).max(NEVER_SLOW));
            if let Ok(slow) = u32::try_from(usual) {
                self.hub.slow.store(slow, Relaxed);
            }
        }
        for table in later {
            memory.take(&table);
            self.hub.give_back(table);
        }
        drop(memory);
        self.hub.provide();
        if over && !self.is_over() {
            self.now.send_replace(second);
        }
    }

    /// The second that is being collected, from now on.
    pub fn seconds(&self) -> watch::Receiver<u64> {
        self.now.subscribe()
    }

    /// Answers a question about figures. `shown` says how a series is shown, or that it is not. Takes milliseconds.
    pub fn series(&self, question: &Question, shown: &dyn Fn(&Series) -> Option<Row>) -> Value {
        let mut answer = query::answer(&self.memory, question, shown);
        answer["folded"] = (answer["folded"].as_u64().unwrap_or(0) + self.hub.lost()).into();
        answer
    }

    /// Requests that are kept, the newest first.
    pub fn traces(&self, wanted: &Wanted) -> Vec<Arc<Trace>> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner).list(wanted)
    }

    /// One of them by its id.
    pub fn trace(&self, id: &str) -> Option<Arc<Trace>> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    /// Requests that were counted in a total and not in all of their series, since the start.
    pub fn folded(&self) -> u64 {
        self.memory().folded + self.hub.lost()
    }

    /// How many series there are.
    pub fn count(&self) -> usize {
        self.memory().series().count()
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let kept = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        self.memory().bytes() + kept + self.hub.bytes()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
