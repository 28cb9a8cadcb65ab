//! Opening stores in tests.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use store::{Batch, Catalog, Operation, Record};
use store_sql::{Background, Blueprint, Database, OpenError, Settings, Sql};
use tokio::runtime::Handle;

/// The background runtime that all tests share.
pub fn background() -> &'static Handle {
    static SHARED: std::sync::OnceLock<Background> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| Background::start(|| ()).expect("a thread")).handle()
}

/// Settings with a quick look-out, for tests that wait for it.
pub fn settings(database: Database) -> Settings {
    Settings { poll: Duration::from_millis(100), ..Settings::new(database) }
}

/// Opens a store from a thread that may be driving a runtime of its own.
pub fn open_on(handle: &Handle, settings: Settings, blueprint: Blueprint) -> Result<Sql, OpenError> {
    let (sender, receiver) = mpsc::channel();
    let on = handle.clone();
    handle.spawn(async move {
        let _ = sender.send(Sql::open(&on, settings, Arc::new(blueprint)).await);
    });
    receiver.recv_timeout(Duration::from_secs(120)).expect("the background runtime answers")
}

/// Opens a store for kinds without definitions.
pub fn open(database: Database, catalog: Arc<Catalog>) -> Sql {
    open_on(background(), settings(database), Blueprint::bare(catalog)).expect("opens")
}

/// A batch of inserts.
pub fn insert(records: Vec<Record>) -> Batch {
    batch(records.into_iter().map(Operation::Insert).collect())
}

/// A batch.
pub fn batch(operations: Vec<Operation>) -> Batch {
    Batch { operations, author: "tester".into(), ..Batch::default() }
}

/// Waits until `found` gives something, a minute at most.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut found: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
