//! Several nodes on one database.

use crate::postgres;
use crate::support::{batch, eventually, insert, open, open_on, settings};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Batch, Error, Operation, Precondition, Store, conformance};
use store_sql::{Background, Blueprint, Database, Settings, Sqlite};

const NEVER: Duration = Duration::from_secs(3600);

fn both() -> [(Database, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    [(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))), Some(folder)), (postgres::empty(), None)]
}

#[test]
fn nodes_that_start_at_the_same_moment_set_up_a_database_once() {
    for (database, _folder) in both() {
        let nodes: Vec<_> = (0..4)
            .map(|_| {
                let database = database.clone();
                std::thread::spawn(move || {
                    let own = Background::start(|| ()).expect("a thread");
                    let store = open_on(own.handle(), settings(database), Blueprint::bare(conformance::catalog()));
                    store.map(|store| drop((store, own)))
                })
            })
            .collect();
        for node in nodes {
            node.join().expect("does not panic").expect("opens");
        }
    }
}

#[tokio::test]
async fn of_two_who_want_the_same_name_one_gets_it() {
    for (database, _folder) in both() {
        let (own, others) = (Background::start(|| ()).expect("a thread"), Background::start(|| ()).expect("a thread"));
        let node = |on: &Background| {
            open_on(on.handle(), settings(database.clone()), Blueprint::bare(conformance::catalog())).expect("opens")
        };
        let (left, right) = (node(&own), node(&others));
        for round in 0..20u128 {
            let name = format!("n{round}");
            let attempt = |id| insert(vec![conformance::parent(id, &name)]);
            let (a, b) = tokio::join!(left.apply(attempt(round * 2 + 1)), right.apply(attempt(round * 2 + 2)));
            let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
            won.expect("one is first");
            assert!(
                matches!(lost, Err(Error::Unique { entity: "parents", ref fields, .. }) if fields["name"] == json!(name)),
                "{lost:?}"
            );
        }
        let view = left.view().await.expect("reads");
        assert_eq!((view.len(), view.revision()), (20, 20));
    }
}

#[tokio::test]
async fn of_two_who_change_the_same_revision_one_is_told() {
    for (database, _folder) in both() {
        let (own, others) = (Background::start(|| ()).expect("a thread"), Background::start(|| ()).expect("a thread"));
        let node = |on: &Background| {
            open_on(on.handle(), settings(database.clone()), Blueprint::bare(conformance::catalog())).expect("opens")
        };
        let (left, right) = (node(&own), node(&others));
        left.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
        for round in 0..20 {
            let revision = left.revision().await.expect("reads");
            let change = |name: String| Batch {
                preconditions: vec![Precondition::Version(revision)],
                ..batch(vec![Operation::Update(conformance::parent(1, &name))])
            };
            let (a, b) =
                tokio::join!(left.apply(change(format!("l{round}"))), right.apply(change(format!("r{round}"))));
            assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
            assert!(matches!(a.and(b), Err(Error::Precondition(_))));
        }
    }
}

#[tokio::test]
async fn revisions_are_in_the_order_in_which_writers_commit() {
    for (database, _folder) in both() {
        let backgrounds: Vec<Background> = (0..3).map(|_| Background::start(|| ()).expect("a thread")).collect();
        let nodes: Vec<_> = backgrounds
            .iter()
            .map(|on| {
                open_on(on.handle(), settings(database.clone()), Blueprint::bare(conformance::catalog()))
                    .expect("opens")
            })
            .collect();
        let reader = open(database, conformance::catalog());
        let mut writes = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            for number in 0..30u128 {
                let id = index as u128 * 1000 + number;
                writes.push(node.apply(insert(vec![conformance::parent(id, &format!("p{id}"))])));
            }
        }
        // A reader that goes on from the last revision it has seen misses none.
        let mut seen = BTreeSet::new();
        let follow = async {
            let mut after = 0;
            while seen.len() < 90 {
                for change in reader.changes(after, 7).await.expect("has a log") {
                    assert_eq!(change.revision, after + 1, "no gap that is filled later");
                    after = change.revision;
                    seen.insert(change.revision);
                }
            }
        };
        let write = async {
            for write in writes {
                write.await.expect("inserts");
            }
        };
        tokio::join!(follow, write);
    }
}

#[tokio::test]
async fn a_node_learns_of_what_another_wrote() {
    for (database, _folder) in both() {
        // Notifications alone on PostgreSQL, the clock alone on SQLite.
        let poll = if matches!(database, Database::Postgres(_)) { NEVER } else { Duration::from_millis(20) };
        let settings = Settings { poll, ..settings(database) };
        let on = Background::start(|| ()).expect("a thread");
        let node = || open_on(on.handle(), settings.clone(), Blueprint::bare(conformance::catalog())).expect("opens");
        let (writer, reader) = (node(), node());
        let mut revisions = reader.subscribe();
        for number in 1..=5 {
            let written =
                writer.apply(insert(vec![conformance::parent(number, &format!("p{number}"))])).await.expect("inserts");
            let wait = revisions.wait_for(|revision| *revision >= written);
            tokio::time::timeout(Duration::from_secs(60), wait).await.expect("is told").expect("lives");
        }
    }
}

#[tokio::test]
async fn a_listener_whose_connection_was_killed_recovers() {
    let to = postgres::database();
    let settings = Settings { poll: NEVER, ..settings(Database::Postgres(to.clone())) };
    let on = Background::start(|| ()).expect("a thread");
    let node = || open_on(on.handle(), settings.clone(), Blueprint::bare(conformance::catalog())).expect("opens");
    let (writer, reader) = (node(), node());
    let mut revisions = reader.subscribe();
    let listeners = || {
        postgres::shared().psql(
            "postgres",
            &format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE 'LISTEN%'",
                to.database
            ),
        )
    };
    for round in 1..=5u128 {
        eventually("both nodes listen", || async { (listeners() == "2").then_some(()) }).await;
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE 'LISTEN%'",
            to.database
        );
        assert_eq!(postgres::shared().psql("postgres", &kill), "2");
        // Written while, perhaps, no one listens.
        let written =
            writer.apply(insert(vec![conformance::parent(round, &format!("p{round}"))])).await.expect("inserts");
        let wait = revisions.wait_for(|revision| *revision >= written);
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("is told").expect("lives");
    }
}

#[tokio::test]
async fn every_connection_may_be_killed_and_the_next_call_works() {
    let to = postgres::database();
    let store = open(Database::Postgres(to.clone()), conformance::catalog());
    for round in 1..=5u128 {
        store.apply(insert(vec![conformance::parent(round, &format!("p{round}"))])).await.expect("inserts");
        store.view().await.expect("reads");
        let kill =
            format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'", to.database);
        assert_ne!(postgres::shared().psql("postgres", &kill), "0");
        // A connection is tried before it is used, so not even this call fails.
        assert_eq!(store.view().await.map(|view| view.len() as u128), Ok(round));
    }
}
