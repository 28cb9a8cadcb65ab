//! A log level that holds for a while: of this node, or of every node on its database, which the change log tells.

use super::core::{Core, now};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use store::{Batch, Change, ChangeKind, Id, Operation, Record, Store};
use telemetry::{ErrorLog, Level};

const KIND: &str = "parameters";
/// Key of the shared value that says which level every node has, until when.
const KEY: &str = "cluster_log_level";

/// The log level of a node.
pub struct LogLevel {
    configured: Level,
    // Grows with each change, so that only the last one ends what it began.
    turn: Arc<AtomicU64>,
}

impl LogLevel {
    /// The level that the node begins with is the one it returns to.
    pub fn of_now() -> Self {
        Self { configured: ErrorLog::level(), turn: Arc::default() }
    }

    /// Sets the level for so long.
    pub fn set(&self, level: Level, duration: Duration) {
        let (turn, configured) = (self.turn.clone(), self.configured);
        let own = turn.fetch_add(1, SeqCst) + 1;
        ErrorLog::set_level(level);
        let back = std::thread::Builder::new().name("log-level".into()).spawn(move || {
            std::thread::sleep(duration);
            if turn.load(SeqCst) == own {
                ErrorLog::set_level(configured);
            }
        });
        if let Err(error) = back {
            tracing::error!(%error, "the log level will not change back by itself");
        }
    }
}

/// Sets the level of every node on this node's database.
pub fn set_everywhere(core: &Core, level: &str, duration: Duration) {
    let Some(database) = core.database() else { return };
    let until = now() + duration.as_secs_f64();
    let value = json!({ "level": level, "until": until }).to_string();
    let value = Map::from_iter([
        ("key".to_owned(), KEY.into()),
        ("value".to_owned(), value.into()),
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        ("created_at".to_owned(), (now() as i64).into()),
    ]);
    let record = Record { entity: KIND, id: Id::Text(KEY.into()), ws: None, value, expires: None };
    let store = database.store.clone();
    let batch = Batch { operations: vec![Operation::Upsert(record)], author: "admin".into(), ..Batch::default() };
    database.background.handle().spawn(async move {
        if let Err(error) = store.apply(batch).await {
            tracing::error!("other nodes are not told of the log level: {error}");
        }
    });
}

/// Does what another node, or this one, told all.
pub(super) fn heed(core: &Core, changes: &[Change]) {
    let told = changes.iter().rev().find_map(|change| match &change.kind {
        ChangeKind::Record { entity: KIND, id: Id::Text(key), after: Some(record), .. } if **key == *KEY => {
            Some(record)
        }
        _ => None,
    });
    let told: Option<Value> = told.and_then(|record| serde_json::from_str(record.text("value")?).ok());
    let Some(told) = told else { return };
    let level = told["level"].as_str().and_then(Level::parse);
    let left = told["until"].as_f64().and_then(|until| Duration::try_from_secs_f64(until - now()).ok());
    if let (Some(level), Some(left)) = (level, left) {
        core.log_level.set(level, left);
    }
}
