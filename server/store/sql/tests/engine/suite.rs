//! What every engine must do, on each database.

use crate::postgres;
use crate::support::{background, batch, insert, open, open_on, settings};
use serde_json::json;
use std::cell::RefCell;
use std::sync::Arc;
use store::{Catalog, Error, Id, Operation, Store, conformance};
use store_sql::{Blueprint, Database, Settings, Sql, Sqlite};
use uuid::Uuid;

#[tokio::test]
async fn sqlite_in_memory_keeps_what_every_engine_must() {
    conformance::check(|catalog| open(Database::Sqlite(Sqlite::memory()), catalog)).await;
}

#[tokio::test]
async fn a_sqlite_file_keeps_what_every_engine_must() {
    let folders = RefCell::new(Vec::new());
    conformance::check(|catalog| {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))), catalog);
        folders.borrow_mut().push(folder);
        store
    })
    .await;
}

#[tokio::test]
async fn postgresql_keeps_what_every_engine_must() {
    conformance::check(|catalog| open(postgres::empty(), catalog)).await;
}

/// Each check on both databases.
fn both() -> [(Database, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    [(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))), Some(folder)), (postgres::empty(), None)]
}

fn id(number: u128) -> Id {
    Id::Uuid(Uuid::from_u128(number))
}

#[tokio::test]
async fn what_is_written_is_there_after_a_restart() {
    for (database, _folder) in both() {
        let store = open(database.clone(), conformance::catalog());
        let revision = store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
        store.close().await;
        let store = open(database, conformance::catalog());
        assert_eq!(store.revision().await, Ok(revision));
        assert_eq!(*store.subscribe().borrow(), revision);
        assert_eq!(
            *store.get("parents", &id(1)).await.expect("reads").expect("is there"),
            conformance::parent(1, "one")
        );
        assert_eq!(store.changes(0, 10).await.expect("has a log").len(), 1);
    }
}

#[tokio::test]
async fn expired_records_are_gone_give_their_values_back_and_are_swept() {
    for (database, _folder) in both() {
        let store = open(database, conformance::catalog());
        let mut old = conformance::parent(1, "taken");
        old.expires = Some(1);
        store.apply(insert(vec![old.clone()])).await.expect("inserts");
        assert_eq!(store.get("parents", &old.id).await, Ok(None));
        assert_eq!(store.by_unique("parents", old.ws, "name", &json!("taken")).await, Ok(None));
        store.apply(insert(vec![conformance::parent(2, "taken")])).await.expect("the value is free");
        let mut other = conformance::parent(3, "other");
        other.expires = Some(1);
        store.apply(insert(vec![other])).await.expect("inserts");
        assert_eq!(store.sweep(100).await, Ok(1));
        assert_eq!(store.sweep(100).await, Ok(0));
        assert_eq!(store.view().await.expect("reads").len(), 1);
    }
}

#[tokio::test]
async fn the_log_forgets_in_whole_batches_and_says_so() {
    for (database, _folder) in both() {
        let settings = Settings { log_entries: 3, ..settings(database) };
        let store = open_on(background(), settings, Blueprint::bare(conformance::catalog())).expect("opens");
        for number in 1..=6 {
            store.apply(insert(vec![conformance::parent(number, &format!("p{number}"))])).await.expect("inserts");
        }
        assert_eq!(store.changes(2, 10).await.map(drop), Err(Error::Forgotten { oldest: 3 }));
        assert_eq!(store.changes(3, 10).await.expect("is known").len(), 3);
        assert_eq!(store.changes(6, 10).await.expect("is known").len(), 0);
        // A batch larger than the log is kept whole: whoever has seen the one before can go on.
        let many = (10..20).map(|number| conformance::parent(number, &format!("p{number}"))).collect();
        store.apply(insert(many)).await.expect("inserts");
        assert_eq!(store.changes(6, 1).await.expect("is known").len(), 10);
        assert!(matches!(store.changes(9, 1).await, Err(Error::Forgotten { .. })), "a revision of another life");
    }
}

#[tokio::test]
async fn values_come_back_exactly_as_they_went_in() {
    for (database, _folder) in both() {
        let store = open(database, conformance::catalog());
        let mut record = conformance::parent(1, "nul \0 and \u{E000}, \u{E000}0");
        record.value.insert("nested".into(), json!({"z": 1, "a": [null, {"b": "\0"}], "m": 1.5}));
        record.value.insert("tags".into(), json!(["b\0", "a", "b\0"]));
        store.apply(insert(vec![record.clone()])).await.expect("inserts");
        let found = store.get("parents", &record.id).await.expect("reads").expect("is there");
        assert_eq!(*found, record);
        assert_eq!(found.value["nested"].to_string(), record.value["nested"].to_string(), "keys keep their order");
        let found = store.by_unique("parents", record.ws, "name", &record.value["name"]).await.expect("reads");
        assert_eq!(found.map(|found| found.id.clone()), Some(record.id.clone()));
        let found = store.by_unique("parents", record.ws, "nested", &record.value["nested"]).await.expect("reads");
        assert!(found.is_some(), "a field without an index is searched for");
        // A reference that is more than an id, and missing fields.
        let child = |fields: serde_json::Value| {
            let mut child = conformance::parent(5, "c");
            child.entity = "notes";
            child.value = fields.as_object().cloned().expect("an object");
            child
        };
        for fields in [
            json!({"id": Uuid::from_u128(5), "parent": {"id": Uuid::from_u128(1), "name": "x"}}),
            json!({"id": Uuid::from_u128(5), "parent": null}),
            json!({"id": Uuid::from_u128(5)}),
        ] {
            let child = child(fields);
            store.apply(batch(vec![Operation::Upsert(child.clone())])).await.expect("writes");
            assert_eq!(*store.get("notes", &child.id).await.expect("reads").expect("is there"), child);
        }
    }
}

#[tokio::test]
async fn a_view_is_shared_until_something_is_written() {
    for (database, _folder) in both() {
        let store = open(database, conformance::catalog());
        let first = store.view().await.expect("reads");
        assert!(Arc::ptr_eq(&first, &store.view().await.expect("reads")));
        store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
        let second = store.view().await.expect("reads");
        assert_eq!((first.len(), second.len(), second.revision()), (0, 1, 1));
        let some = store.view_of(&["parents"]).await.expect("reads");
        assert_eq!((some.len(), some.catalog().rules().len()), (1, 1));
    }
}

#[test]
fn futures_of_the_engine_can_go_to_other_threads() {
    fn sends<T: Send>(_: T) {}
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Sql>();
    sends(Sql::open(
        background(),
        settings(Database::Sqlite(Sqlite::memory())),
        Arc::new(Blueprint::bare(Arc::new(Catalog::default()))),
    ));
}
