//! The engine.

use crate::blueprint::Blueprint;
use crate::connect::Database;
use crate::count::{self, Counter};
use crate::failure::{OpenError, unavailable};
use crate::link::Link;
use crate::listen::{Lookout, channel};
use crate::open::{Settings, prepare};
use crate::recent::Recent;
use crate::{log, note, read, write};
use migration::EXPIRES;
use sea_orm::sea_query::{Expr, ExprTrait};
use serde_json::Value;
use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;
use store::{Batch, Catalog, Change, Error, Id, Operation, Page, Pending, Query, Record, Revision, Store, View};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument;
use uuid::Uuid;

/// Entities in a relational database.
///
/// Calls may come from any thread and need no runtime of their own; the work is done on the runtime that [`Sql::open`] was
/// given, unless the thread said [`work_here`]. A write goes on to its end even when its future is dropped.
pub struct Sql {
    inner: Arc<Inner>,
    handle: Handle,
    tasks: Vec<JoinHandle<()>>,
}

struct Inner {
    link: Arc<Link>,
    blueprint: Arc<Blueprint>,
    lookout: Arc<Lookout>,
    keep: u64,
    channel: Option<String>,
    // Writers of this process come one after the other: those who wait for the database's lock would use up the pool.
    turn: tokio::sync::Mutex<()>,
    recent: Recent,
    // The newest view, for as long as someone uses it.
    latest: Mutex<Weak<View>>,
}

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Has what this thread asks of an embedded database done on the runtime that it asks on, from now on: each hop to another
/// thread costs more than most statements. Connections to a server belong to the background runtime, wherever they are
/// used from.
///
/// For threads that gave way to requests and whose runtime lives as long as anyone waits for its answers: work that is
/// under way when that runtime ends is given up; a write is then done whole, or not at all.
pub fn work_here() {
    HERE.set(true);
}

/// How many changes a view is brought forward by; after more, it is read anew.
const CATCH_UP: usize = 5_000;

/// Whether the change log does not tell that a record's time has run out: it never told of it, or it was an event.
fn goes_untold(entity: &str) -> bool {
    count::COUNTERS.contains(&entity) || note::UNFOLLOWED.contains(&entity) || entity == "cluster_events"
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs() as i64)
}

impl Sql {
    /// Connects, sets up an empty database, and begins to follow what other nodes write.
    ///
    /// `handle`: the background runtime; it must be driven by another thread than the caller's if the caller blocks.
    pub async fn open(handle: &Handle, settings: Settings, blueprint: Arc<Blueprint>) -> Result<Sql, OpenError> {
        let mut sql = Self::connect(handle, &settings, blueprint).await?;
        if let Some(channel) = &sql.inner.channel {
            sql.tasks.push(handle.spawn(sql.inner.lookout.clone().listen(channel.clone())));
        }
        Ok(sql)
    }

    /// Connects to a read-only replica of the database that `primary` is open on. What is read here may be a little
    /// behind; it is followed as on the database itself. It cannot be listened to, so `primary` tells when there is
    /// something to wait for.
    pub async fn open_replica(handle: &Handle, settings: Settings, primary: &Sql) -> Result<Sql, OpenError> {
        let settings = Settings { bootstrap: false, ..settings };
        let mut sql = Self::connect(handle, &settings, primary.inner.blueprint.clone()).await?;
        sql.tasks.push(handle.spawn(sql.inner.lookout.clone().chase(primary.subscribe())));
        Ok(sql)
    }

    async fn connect(handle: &Handle, settings: &Settings, blueprint: Arc<Blueprint>) -> Result<Sql, OpenError> {
        let (shown, task) = (settings.database.shown(), {
            let (settings, blueprint) = (settings.clone(), blueprint.clone());
            handle.spawn(async move { prepare(&settings, &blueprint).await })
        });
        let (pools, revision) = task
            .await
            .unwrap_or_else(|error| Err(OpenError::Unavailable { database: shown, cause: error.to_string() }))?;
        let link = Arc::new(Link::new(settings.database.clone(), pools));
        let lookout = Arc::new(Lookout {
            link: link.clone(),
            revision: watch::Sender::new(revision),
            reachable: AtomicBool::new(true),
        });
        let channel = match &settings.database {
            Database::Sqlite(_) => None,
            Database::Postgres(to) => Some(channel(to.schema.as_deref())),
        };
        let tasks = vec![handle.spawn(lookout.clone().poll(settings.poll))];
        let inner = Inner {
            link,
            blueprint,
            lookout,
            keep: settings.log_entries,
            channel,
            turn: tokio::sync::Mutex::new(()),
            recent: Recent::new(revision, settings.log_entries),
            latest: Mutex::new(Weak::new()),
        };
        Ok(Sql { inner: Arc::new(inner), handle: handle.clone(), tasks })
    }

    /// Whether the database answered when it was last asked; for the status API.
    pub fn is_reachable(&self) -> bool {
        self.inner.lookout.reachable.load(Ordering::Relaxed)
    }

    /// Deletes records whose time to live has run out, at most about `limit` of each kind, with what hangs on them; the
    /// change log tells. Returns how many it found.
    pub fn sweep(&self, limit: usize) -> Pending<'static, usize> {
        self.run(move |inner| async move { inner.sweep(limit).await })
    }

    /// Takes one unit of every counter, or of none, whichever nodes count meanwhile. Tells whether it did, and how many
    /// units each held before. No revision comes of it.
    pub fn take(&self, counters: Vec<Counter>) -> Pending<'static, (bool, Vec<u64>)> {
        self.run(move |inner| async move { count::take(&inner.link.pools().write, &inner.blueprint, &counters).await })
    }

    /// Adds what the records of these counters have to what is there, all of it or nothing, whatever their limits are. No
    /// revision comes of it; it is done whether or not somebody waits.
    pub fn add(&self, counters: Vec<Counter>) -> Pending<'static, ()> {
        self.run(move |inner| async move { count::add(&inner.link.pools().write, &inner.blueprint, counters).await })
    }

    /// Ends the tasks and closes the connections in order. Dropping does the same without waiting.
    pub async fn close(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        let pools = self.inner.link.pools();
        // A runtime that is gone has closed them already.
        let _ = self.handle.spawn(async move { pools.close().await }).await;
    }

    /// Runs on the background runtime, or where [`work_here`] says.
    fn run<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F + Send + 'static) -> Pending<'static, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let inner = self.inner.clone();
        // What it does belongs to the caller's trace.
        let work = async move { inner.link.clone().during(work(inner)).await }.in_current_span();
        let own = if self.inner.link.is_embedded() && HERE.get() { Handle::try_current().ok() } else { None };
        if own.is_some() {
            // Between what led here and the work that follows on this thread.
            std::thread::yield_now();
        }
        // A task of its own in any case: a write goes on when nobody waits for it any more.
        let task = own.as_ref().unwrap_or(&self.handle).spawn(work);
        Box::pin(async move {
            task.await.unwrap_or_else(|error| Err(Error::Unavailable(format!("the work was given up: {error}"))))
        })
    }
}

impl Inner {
    async fn apply(&self, batch: Batch) -> Result<Revision, Error> {
        let _turn = self.turn.lock().await;
        let pools = self.link.pools();
        let context = write::Context {
            db: &pools.write,
            blueprint: &self.blueprint,
            keep: self.keep,
            channel: self.channel.as_deref(),
            now: unix_now(),
        };
        let (revision, changes) = write::apply(&context, batch).await?;
        // Before anyone is told: who hears of the revision finds them.
        self.recent.add(revision, changes);
        self.lookout.revision.send_if_modified(|current| {
            let newer = revision > *current;
            *current = Ord::max(revision, *current);
            newer
        });
        Ok(revision)
    }

    /// See [`Store::changes`].
    async fn changes(&self, after: Revision, limit: usize) -> Result<Vec<Change>, Error> {
        let newest = *self.lookout.revision.borrow();
        if let Some(changes) = self.recent.after(after, limit, newest) {
            return Ok(changes);
        }
        log::after(&self.link.pools().read, &self.blueprint, after, limit).await
    }

    /// The newest view: the one in use brought forward by the change log where that is enough, or else read anew.
    async fn view(&self) -> Result<Arc<View>, Error> {
        let held = || self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held().upgrade();
        let (pools, catalog) = (self.link.pools(), self.blueprint.catalog());
        let db = &pools.read;
        let mut newer = None;
        if let Some(view) = known {
            // Read before the changes: these then hold all up to here, and perhaps more.
            let (revision, _) = log::revision(db).await.map_err(unavailable)?;
            if revision == view.revision() {
                return Ok(view);
            }
            match log::after(db, &self.blueprint, view.revision(), CATCH_UP).await {
                Ok(changes) if changes.len() < CATCH_UP => {
                    let last = changes.last().map_or(revision, |change| Ord::max(change.revision, revision));
                    newer = view.followed(&changes, last);
                }
                Ok(_) | Err(Error::Forgotten { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let view = match newer {
            Some(view) => view,
            None => read::view(db, &self.blueprint, catalog.clone()).await?,
        };
        let view = Arc::new(view);
        *held() = Arc::downgrade(&view);
        Ok(view)
    }

    async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        let (now, pools) = (unix_now(), self.link.pools());
        let mut operations = Vec::new();
        for (layout, rules) in self.blueprint.layouts().iter().zip(self.blueprint.catalog().rules()) {
            if goes_untold(rules.entity) {
                count::sweep(&pools.write, layout.entity, now).await?;
                continue;
            }
            let over = crate::statement::rows(layout)
                .and_where(Expr::col((layout.entity, EXPIRES)).lte(now))
                .limit(limit as u64)
                .take();
            let found = read::records(&pools.read, layout, rules, &over).await.map_err(unavailable)?;
            operations
                .extend(found.iter().map(|record| Operation::Delete { entity: rules.entity, id: record.id.clone() }));
        }
        let found = operations.len();
        if found > 0 {
            self.apply(Batch { operations, author: "expiry".to_owned(), ..Batch::default() }).await?;
        }
        Ok(found)
    }
}

impl Store for Sql {
    fn catalog(&self) -> &Arc<Catalog> {
        self.inner.blueprint.catalog()
    }

    fn get<'a>(&'a self, entity: &'static str, id: &'a Id) -> Pending<'a, Option<Arc<Record>>> {
        let id = id.clone();
        self.run(move |inner| async move {
            read::get(&inner.link.pools().read, &inner.blueprint, entity, &id, Some(unix_now())).await
        })
    }

    fn by_unique<'a>(
        &'a self,
        entity: &'static str,
        ws: Option<Uuid>,
        field: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Option<Arc<Record>>> {
        let (field, value) = (field.to_owned(), value.clone());
        self.run(move |inner| async move {
            let now = Some(unix_now());
            read::by_unique(&inner.link.pools().read, &inner.blueprint, entity, ws, &field, &value, now).await
        })
    }

    fn page<'a>(&'a self, query: &'a Query) -> Pending<'a, Page> {
        let query = query.clone();
        self.run(move |inner| async move {
            read::page(&inner.link.pools().read, &inner.blueprint, &query, unix_now()).await
        })
    }

    fn changes(&self, after: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.run(move |inner| async move { inner.changes(after, limit).await })
    }

    fn history(&self, until: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.run(move |inner| async move { log::until(&inner.link.pools().read, &inner.blueprint, until, limit).await })
    }

    fn apply(&self, batch: Batch) -> Pending<'_, Revision> {
        self.run(move |inner| async move { inner.apply(batch).await })
    }

    fn revision(&self) -> Pending<'_, Revision> {
        self.run(|inner| async move {
            log::revision(&inner.link.pools().read).await.map(|(revision, _)| revision).map_err(unavailable)
        })
    }

    fn view(&self) -> Pending<'_, Arc<View>> {
        self.run(|inner| async move { inner.view().await })
    }

    /// Everything of some kinds only.
    fn view_of<'a>(&'a self, entities: &'a [&'a str]) -> Pending<'a, Arc<View>> {
        let all = self.inner.blueprint.catalog();
        let wanted = all.rules().iter().filter(|rules| entities.contains(&rules.entity)).cloned().collect();
        let catalog = Arc::new(Catalog::new(wanted));
        self.run(
            |inner| async move { read::view(&inner.link.pools().read, &inner.blueprint, catalog).await.map(Arc::new) },
        )
    }

    fn count(&self, entity: &'static str, ws: Uuid) -> Pending<'_, usize> {
        self.run(move |inner| async move {
            read::count(&inner.link.pools().read, &inner.blueprint, entity, ws, unix_now()).await
        })
    }

    fn note(&self, records: Vec<Record>) -> Pending<'_, ()> {
        self.run(move |inner| async move {
            let _turn = inner.turn.lock().await;
            note::insert(&inner.link.pools().write, &inner.blueprint, &records).await
        })
    }

    fn subscribe(&self) -> watch::Receiver<Revision> {
        self.inner.lookout.revision.subscribe()
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        let pools = self.inner.link.pools();
        self.handle.spawn(async move { pools.close().await });
    }
}
