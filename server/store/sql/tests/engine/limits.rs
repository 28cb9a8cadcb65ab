//! What `pg_timeout` and `pg_pool_size` bound.

use crate::postgres::{self, Cluster};
use crate::support::{insert, open};
use std::time::Duration;
use store::{Error, Store, conformance};
use store_sql::{Database, Postgres};

#[tokio::test]
async fn a_statement_that_takes_too_long_ends() {
    let to = Postgres { timeout: Duration::from_secs(1), ..postgres::database() };
    let name = to.database.clone();
    let store = open(Database::Postgres(to), conformance::catalog());
    store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
    // Holds the place of the one who writes, until it is told to stop.
    let lock = "BEGIN; SELECT revision FROM silverback_revision FOR UPDATE; SELECT pg_sleep(600)";
    let cluster: &'static Cluster = postgres::shared();
    let held = name.clone();
    let holder = std::thread::spawn(move || cluster.try_psql(&held, lock));
    let sleeping = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = 'PgSleep'");
    while cluster.psql("postgres", &sleeping) == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = store.apply(insert(vec![conformance::parent(2, "two")])).await;
    assert_eq!(refused, Err(Error::Unavailable("the database did not answer in time".into())));
    assert!(store.view().await.is_ok(), "reading waits for nobody");
    let stop = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = 'PgSleep'"
    );
    cluster.psql("postgres", &stop);
    assert!(!holder.join().expect("ends"), "it was stopped");
    store.apply(insert(vec![conformance::parent(2, "two")])).await.expect("inserts again");
}

#[tokio::test]
async fn no_more_wait_for_a_connection_than_may() {
    let to = Postgres { pool_size: 2, backlog: Some(3), ..postgres::database() };
    let store = open(Database::Postgres(to), conformance::catalog());
    let calls: Vec<_> = (0..100).map(|_| store.view()).collect();
    let (mut done, mut refused) = (0, 0);
    for call in calls {
        match call.await {
            Ok(_) => done += 1,
            Err(Error::Unavailable(why)) if why.contains("too many wait") => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(done >= 5 && refused > 0, "{done} done, {refused} refused");
    store.view().await.expect("there is room again");
}

#[tokio::test]
async fn there_are_no_more_connections_than_wanted() {
    let to = Postgres { pool_size: 3, ..postgres::database() };
    let name = to.database.clone();
    let store = open(Database::Postgres(to), conformance::catalog());
    let reads = (0..200).map(|_| store.view());
    for read in reads.collect::<Vec<_>>() {
        read.await.expect("reads");
    }
    let counted = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    let connections: u32 = postgres::shared().psql("postgres", &counted).parse().expect("a number");
    // One listens, one looks at the revision.
    assert!((1..=5).contains(&connections), "{connections}");
}
