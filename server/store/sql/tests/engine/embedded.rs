//! What is particular to the embedded database.

use crate::support::{eventually, insert, open, open_on, settings};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::sync::Arc;
use std::time::Duration;
use store::{Error, Id, Store, conformance};
use store_sql::{Background, Blueprint, Database, Sqlite, work_here};

#[tokio::test]
async fn statements_are_planned_once() {
    // Without this option SQLite plans a statement anew whenever a value is bound that it compared with an index.
    let database = sea_orm::Database::connect("sqlite::memory:").await.expect("connects");
    let options = Statement::from_string(DbBackend::Sqlite, "PRAGMA compile_options");
    let rows = database.query_all_raw(options).await.expect("answers");
    let options: Vec<String> = rows.iter().filter_map(|row| row.try_get_by_index(0).ok()).collect();
    assert!(options.iter().any(|option| option == "ENABLE_QPSG"), "{options:?}");
}

#[test]
fn a_thread_may_work_where_it_asks() {
    let background = Background::start(|| ()).expect("a thread");
    let folder = tempfile::tempdir().expect("a folder");
    let opening = settings(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))));
    let store = open_on(background.handle(), opening, Blueprint::bare(conformance::catalog())).expect("opens");
    let store = Arc::new(store);
    let asked = |store: Arc<store_sql::Sql>, here: bool| {
        let ask = move || {
            if here {
                work_here();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (one, two) = (conformance::parent(1, "one"), conformance::parent(2, "two"));
                let ids: [Id; 2] = [one.id.clone(), two.id.clone()];
                store.apply(insert(vec![one])).await.map_err(|error| error.to_string())?;
                // It goes on though nobody waits for it.
                drop(store.apply(insert(vec![two])));
                for id in &ids {
                    eventually("it is there", async || store.get("parents", id).await.expect("reads")).await;
                }
                Ok::<(), String>(())
            })
        };
        std::thread::spawn(ask).join().expect("a thread ends")
    };
    // The runtime that the store was opened on is no more.
    drop(background);
    let elsewhere = asked(store.clone(), false).expect_err("nobody does it");
    assert!(elsewhere.contains("given up"), "{elsewhere}");
    assert_eq!(asked(store, true), Ok(()));
}

#[test]
fn who_waits_for_another_process_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = open(Database::Sqlite(Sqlite::file(&path)), conformance::catalog());
    let ask = move || {
        work_here();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (one, two) = (conformance::parent(1, "one"), conformance::parent(2, "two"));
            let id = one.id.clone();
            store.apply(insert(vec![one])).await.expect("inserts");
            let other = rusqlite::Connection::open(&path).expect("opens");
            other.execute_batch("BEGIN IMMEDIATE").expect("takes the lock");
            let mut writing = store.apply(insert(vec![two]));
            for _ in 0..5 {
                let found = tokio::select! {
                    biased;
                    done = &mut writing => panic!("was not locked: {done:?}"),
                    found = store.get("parents", &id) => found.expect("reads"),
                };
                assert!(found.is_some());
            }
            other.execute_batch("ROLLBACK").expect("lets it go");
            assert_eq!(writing.await, Ok(2));
        });
    };
    std::thread::spawn(ask).join().expect("a thread ends");
}

#[tokio::test]
async fn a_lock_is_waited_for_so_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let hasty = Sqlite { busy_timeout: Duration::from_millis(30), ..Sqlite::file(&path) };
    let store = open(Database::Sqlite(hasty), conformance::catalog());
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("takes the lock");
    let refused = store.apply(insert(vec![conformance::parent(1, "one")])).await;
    assert_eq!(refused, Err(Error::Unavailable("database is locked".to_owned())));
    drop(other);
    assert_eq!(store.apply(insert(vec![conformance::parent(1, "one")])).await, Ok(1));
}

#[test]
fn what_is_under_way_when_its_runtime_ends_is_given_up_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))), conformance::catalog());
    let store = Arc::new(store);
    let asking = store.clone();
    let ask = move || {
        work_here();
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for number in 1..=100u32 {
            let record = conformance::parent(number.into(), &format!("p{number}"));
            let patience = Duration::from_micros(u64::from(number) * 10);
            let writing = async { tokio::time::timeout(patience, asking.apply(insert(vec![record]))).await };
            let _ = runtime().block_on(writing);
        }
        runtime().block_on(async {
            asking.apply(insert(vec![conformance::parent(0, "last")])).await.expect("writes work as before");
            let (view, log) =
                (asking.view().await.expect("reads"), asking.changes(0, usize::MAX).await.expect("a log"));
            // All of a batch or nothing: record, log and revision agree.
            assert_eq!(view.count("parents"), log.len());
            assert_eq!(log.len() as u64, asking.revision().await.expect("reads"));
        });
    };
    std::thread::spawn(ask).join().expect("a thread ends");
}
