//! Supervision of actors: one that panics, or stops, is started anew.
//!
//! actix's own `Supervisor` restarts after `stop`, not after a panic. Here each actor holds a [`Life`]; when the actor
//! is dropped, for whatever reason, its Life tells the keeper, which starts another after a back-off. What requests
//! read is owned by the node, so nothing is lost but the message in hand.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message};
use arc_swap::ArcSwapOption;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// The first pause before a restart; doubles while an actor keeps dying at once.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An actor that lived this long starts anew without the pauses of its predecessors.
const HEALTHY_LIFE: Duration = Duration::from_secs(10);
/// How long a message waits for an actor that is being restarted.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held by a supervised actor. Its end is the actor's end.
pub struct Life(#[expect(dead_code, reason = "its drop is the message")] oneshot::Sender<()>);

/// Every actor of the process, by name.
static ACTORS: Mutex<BTreeMap<&'static str, Figures>> = Mutex::new(BTreeMap::new());

/// What is counted of actors of one name.
#[derive(Default)]
struct Figures {
    restarts: u64,
    waiting: Arc<AtomicU64>,
}

fn tally() -> MutexGuard<'static, BTreeMap<&'static str, Figures>> {
    ACTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often actors of the process were started anew, by their names; 0 where they never were.
pub fn restarts() -> BTreeMap<&'static str, u64> {
    tally().iter().map(|(name, figures)| (*name, figures.restarts)).collect()
}

/// How many messages wait for actors of the process to answer them, by their names: those under way, and those in front
/// of an actor that is busy or being restarted.
pub fn waiting() -> BTreeMap<&'static str, u64> {
    tally().iter().map(|(name, figures)| (*name, figures.waiting.load(Relaxed))).collect()
}

/// A message that waits for its answer.
struct Waits<'a>(&'a AtomicU64);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// An actor that is kept alive.
pub struct Supervised<A: Actor> {
    shared: Arc<Shared<A>>,
}

impl<A: Actor> Clone for Supervised<A> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

struct Shared<A: Actor> {
    name: &'static str,
    current: ArcSwapOption<Addr<A>>,
    started: Notify,
    restarts: AtomicU64,
    stopping: AtomicBool,
    waiting: Arc<AtomicU64>,
}

/// The actor did not take the message within [`PATIENCE`].
#[derive(Debug, thiserror::Error)]
#[error("the actor '{0}' does not answer")]
pub struct NoAnswer(&'static str);

impl<A: Actor<Context = Context<A>>> Supervised<A> {
    /// Starts an actor on an arbiter and keeps it alive until [`Supervised::stop`].
    pub fn start(arbiter: &ArbiterHandle, name: &'static str, make: impl Fn(Life) -> A + Send + 'static) -> Self {
        let waiting = tally().entry(name).or_default().waiting.clone();
        let shared = Arc::new(Shared {
            name,
            current: ArcSwapOption::empty(),
            started: Notify::new(),
            restarts: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            waiting,
        });
        let keeper = shared.clone();
        arbiter.spawn(async move {
            let mut pause = FIRST_PAUSE;
            let mut first = true;
            loop {
                let (life, end) = oneshot::channel();
                let born = Instant::now();
                keeper.current.store(Some(Arc::new(make(Life(life)).start())));
                // Counted once the new one takes messages: who sees the count can reach it.
                if !first {
                    keeper.restarts.fetch_add(1, Release);
                    tally().entry(keeper.name).or_default().restarts += 1;
                }
                first = false;
                keeper.started.notify_waiters();
                let _ = end.await;
                if keeper.stopping.load(Relaxed) {
                    return;
                }
                tracing::error!(actor = keeper.name, "an actor died; starting it anew");
                pause = if born.elapsed() > HEALTHY_LIFE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                tokio::time::sleep(pause).await;
            }
        });
        Self { shared }
    }

    /// How often it was restarted; the one counted last takes messages.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Acquire)
    }

    /// Lets the next death be the last.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Relaxed);
    }

    /// Sends a message and waits for its answer. A message that dies with its actor is sent once more to the next
    /// one only where `again` makes it anew.
    pub async fn ask<M>(&self, again: impl Fn() -> M) -> Result<M::Result, NoAnswer>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        let _waits = Waits::begin(&self.shared.waiting);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let started = self.shared.started.notified();
            if let Some(address) = self.shared.current.load_full().filter(|address| address.connected())
                && let Ok(answer) = address.send(again()).await
            {
                return Ok(answer);
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), started).await;
        }
        Err(NoAnswer(self.shared.name))
    }

    /// Sends a message without waiting; lost where the actor is down.
    pub fn tell<M>(&self, message: M)
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        if let Some(address) = self.shared.current.load_full() {
            address.do_send(message);
        }
    }
}
