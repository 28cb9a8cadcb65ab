//! A log level that holds for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use telemetry::{ErrorLog, Level};

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
