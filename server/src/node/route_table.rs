//! The `RouteTable` actor: one configuration after the other becomes the Snapshot that requests read.
//!
//! With a database, what is to be published is what the change log says: the actor follows it, and however many writes
//! come while it compiles, the next Snapshot holds them all.
//!
//! Compiling happens on other threads, where there is a database in idle time; the actor only keeps the order. The Snapshot belongs to the node: while this
//! actor is being restarted, requests are served from the one in use.

use super::Panic;
use super::builds::Trigger;
use super::core::{Core, LoadError};
use super::health_checkers::HealthCheckers;
use super::priority::give_way;
use crate::supervise::Life;
use actix::{Actor, AsyncContext, AtomicResponse, Context, Handler, Message, WrapFuture};
use snapshot::COMPILED;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use store::{Batch, ChangeKind, Error, Store, View};
use tokio::sync::watch;

/// Publishes configurations, in order.
pub struct RouteTable {
    core: Arc<Core>,
    health_checkers: Arc<HealthCheckers>,
    _life: Life,
}

impl RouteTable {
    /// An actor over a node's parts.
    pub fn new(core: Arc<Core>, health_checkers: Arc<HealthCheckers>, life: Life) -> Self {
        Self { core, health_checkers, _life: life }
    }
}

impl Actor for RouteTable {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(RELEASE, |actor, _| actor.core.release());
        if let Some(database) = self.core.database() {
            let (core, health_checkers) = (self.core.clone(), self.health_checkers.clone());
            // Ends with the actor, and begins again with its successor.
            context.spawn(keep_up(core, health_checkers, database.reading().subscribe()).into_actor(self));
        }
    }
}

/// How often configurations that no request sees any more are looked for.
const RELEASE: Duration = Duration::from_secs(1);
/// The shortest pause between two looks at the change log: a burst of writes leads to few compilations, and a single one
/// waits for nothing.
const REST: Duration = Duration::from_millis(20);
/// How many times as long as the work the pause after it lasts: following a stream of writes takes a fifth of a core, as
/// long as it takes less than [`LONGEST_REST`].
const SHARE: u32 = 4;
/// The longest pause between two looks.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// How long nobody may write before a burst counts as over, and how long one is waited for.
const GATHERING: Duration = Duration::from_millis(10);
const LONGEST_GATHERING: Duration = Duration::from_millis(40);
/// The pause before a database is asked again that did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How many changes are read at once.
const STRIDE: usize = 5_000;

async fn keep_up(
    core: Arc<Core>,
    health_checkers: Arc<HealthCheckers>,
    mut revision: watch::Receiver<store::Revision>,
) {
    loop {
        revision.mark_unchanged();
        let begun = Instant::now();
        match follow(&core).await {
            Ok(true) => health_checkers.sync(&core),
            Ok(false) => {}
            Err(LoadError::Store(Error::Unavailable(cause))) => {
                tracing::debug!("the change log cannot be read: {cause}");
                // What was told before the database went is still to be read when it is back.
                actix_rt::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => tracing::error!("what the database holds cannot be used, the configuration stays: {error}"),
        }
        actix_rt::time::sleep((begun.elapsed() * SHARE).clamp(REST, LONGEST_REST)).await;
        let further = match revision.has_changed() {
            Ok(true) => gather(&mut revision).await,
            // A change after a quiet time waits for nothing.
            Ok(false) => revision.changed().await,
            Err(closed) => Err(closed),
        };
        if further.is_err() {
            return;
        }
    }
}

/// Waits until nobody writes for a moment: what is written in one go (a Route, then its plugins) is in use at once.
async fn gather(revision: &mut watch::Receiver<store::Revision>) -> Result<(), watch::error::RecvError> {
    let begun = Instant::now();
    let mut further = true;
    while further && begun.elapsed() < LONGEST_GATHERING {
        revision.mark_unchanged();
        // Looked at now and then: each of a burst's writes would wake this thread, which requests share processors with.
        actix_rt::time::sleep(GATHERING).await;
        further = revision.has_changed()?;
    }
    Ok(())
}

/// Brings what is published up to what the database holds; tells whether anything had to be published.
pub(super) async fn follow(core: &Arc<Core>) -> Result<bool, LoadError> {
    let Some(database) = core.database() else { return Ok(false) };
    let store = database.reading();
    let known = core.followed();
    let mut changed = None;
    let newest = match &known {
        Some(known) => match advance(core, store.as_ref(), known).await? {
            Advanced::To(view, None) => {
                core.set_followed(Arc::new(view));
                return Ok(false);
            }
            Advanced::To(view, Some(at)) => {
                changed = Some(at);
                Arc::new(view)
            }
            Advanced::Nowhere => return Ok(false),
            Advanced::Lost => {
                lua::cluster_events_lost();
                store.view_of(&COMPILED).await?
            }
        },
        None => store.view_of(&COMPILED).await?,
    };
    let (compiling, view) = (core.clone(), newest.clone());
    let compiled = core.aside.run(move || compiling.builds.time(Trigger::Database, || compiling.compile(&view))).await;
    let snapshot = compiled.unwrap_or_else(|error| failed(&error))?;
    let (publishing, view) = (core.clone(), newest.clone());
    let published = actix_rt::task::spawn_blocking(move || {
        give_way();
        publishing.publish_compiled(&view, snapshot);
    });
    published.await.or_else(|error| failed(&error))?;
    if let Some(changed) = changed {
        core.builds.in_use(changed);
    }
    core.set_followed(newest);
    Ok(true)
}

/// Compiling or publishing ended in a panic.
fn failed<T>(error: &dyn std::error::Error) -> Result<T, LoadError> {
    tracing::error!(%error, "compiling a configuration failed; the one in use stays");
    Err(LoadError::Panicked)
}

enum Advanced {
    /// To a newer state; when the last change was made, where something changed that is compiled.
    To(View, Option<SystemTime>),
    /// Nothing was written.
    Nowhere,
    /// The change log does not say how; everything must be read anew.
    Lost,
}

async fn advance(core: &Arc<Core>, store: &dyn Store, known: &View) -> Result<Advanced, Error> {
    let (mut view, mut moved, mut touched) = (known.clone(), false, None);
    loop {
        let changes = match store.changes(view.revision(), STRIDE).await {
            Ok(changes) => changes,
            Err(Error::Forgotten { .. }) => return Ok(Advanced::Lost),
            Err(error) => return Err(error),
        };
        let Some((last, at)) = changes.last().map(|change| (change.revision, change.at)) else { break };
        moved = true;
        super::cluster_events::heed(core, &changes);
        let compiled = changes.iter().any(|change| match &change.kind {
            ChangeKind::Record { entity, .. } => view.catalog().position(entity).is_some(),
            ChangeKind::Replaced { .. } => true,
        });
        if compiled {
            touched = Some(at);
        }
        match view.followed(&changes, last) {
            Some(next) => view = next,
            None => return Ok(Advanced::Lost),
        }
        if changes.len() < STRIDE {
            break;
        }
    }
    Ok(if moved { Advanced::To(view, touched) } else { Advanced::Nowhere })
}

/// Puts a configuration in the place of everything there is. Answered when requests see it.
#[derive(Message, Clone)]
#[rtype(result = "Result<(), LoadError>")]
pub struct Replace {
    batch: Arc<Mutex<Option<Batch>>>,
    hash: String,
}

impl Replace {
    /// `batch` has its records, replacing all there are; `hash` is what `/status` shows from then on. Clones share the
    /// batch: it is applied once, whichever of them arrives.
    pub fn new(batch: Batch, hash: String) -> Self {
        Self { batch: Arc::new(Mutex::new(Some(batch))), hash }
    }

    fn take(&self) -> Option<Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Handler<Replace> for RouteTable {
    type Result = AtomicResponse<Self, Result<(), LoadError>>;

    fn handle(&mut self, replace: Replace, _: &mut Context<Self>) -> Self::Result {
        let batch = replace.take();
        let hash = replace.hash;
        let (core, health_checkers) = (self.core.clone(), self.health_checkers.clone());
        let compiling = self.core.clone();
        let built = actix_rt::task::spawn_blocking(move || {
            give_way();
            match batch {
                Some(batch) => compiling.replace(batch, hash),
                // An actor before this one took it, and died with it.
                None => Err(LoadError::Panicked),
            }
        });
        let done = async move {
            match built.await {
                Ok(done) => {
                    health_checkers.sync(&core);
                    done
                }
                Err(error) => failed(&error),
            }
        };
        AtomicResponse::new(Box::pin(done.into_actor(self)))
    }
}

impl Handler<Panic> for RouteTable {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}
