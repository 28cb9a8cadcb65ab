//! What was acknowledged survives the process.

use crate::support::{insert, open};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use store::{Store, conformance};
use store_sql::{Database, Sqlite};

/// Names the file for the process that is going to be killed.
const FILE: &str = "SILVERBACK_TEST_WRITES_TO";

/// Not a check by itself: what the process that is going to be killed runs.
#[tokio::test]
async fn writer() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = open(Database::Sqlite(Sqlite::file(path)), conformance::catalog());
    for number in 1.. {
        let records = vec![conformance::parent(number, &format!("p{number}"))];
        let revision = store.apply(insert(records)).await.expect("inserts");
        println!("\nwrote {revision}");
        std::io::stdout().flush().expect("someone reads");
    }
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    for round in 1..=3u64 {
        // A file of its own each time: the writer begins at 1.
        let path = path.with_extension(round.to_string());
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "durability::writer", "--nocapture", "--test-threads=1"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines().map_while(Result::ok);
        let wrote = |line: String| line.strip_prefix("wrote ").and_then(|number| number.parse::<u64>().ok());
        let mut acknowledged = 0;
        for revision in lines.filter_map(wrote) {
            acknowledged = revision;
            if revision == 50 * round {
                // SIGKILL.
                child.kill().expect("is killed");
            }
        }
        child.wait().expect("is gone");
        assert!(acknowledged >= 50 * round, "the writer ended early");
        let store = open(Database::Sqlite(Sqlite::file(&path)), conformance::catalog());
        let revision = store.revision().await.expect("reads");
        assert!(revision >= acknowledged, "{revision} of {acknowledged} writes are there");
        // All of a batch or nothing: record, log and revision agree.
        let view = store.view().await.expect("reads");
        assert_eq!(view.count("parents") as u64, revision);
        assert_eq!(store.changes(0, usize::MAX).await.expect("has a log").len() as u64, revision);
        store.apply(insert(vec![conformance::parent(0, "after")])).await.expect("can be written");
    }
}
