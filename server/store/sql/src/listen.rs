//! Learning of what other nodes wrote.
//!
//! A notification says "look", and so does a tick of the clock: both lead to reading the revision, and only a revision that
//! changed is passed on. What was lost with a notification is thus found at the next look.

use crate::failure::sentence;
use crate::log;
use sea_orm::DatabaseConnection;
use sqlx::postgres::{PgListener, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::Revision;
use tokio::sync::watch;

/// The longest pause between attempts to listen again.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks at the revision and tells it.
pub(crate) struct Lookout {
    pub(crate) db: DatabaseConnection,
    pub(crate) revision: watch::Sender<Revision>,
    pub(crate) reachable: AtomicBool,
}

impl Lookout {
    /// Reads the revision once.
    pub(crate) async fn look(&self) {
        let before = *self.revision.borrow();
        match log::revision(&self.db).await {
            Ok((found, _)) => {
                if !self.reachable.swap(true, Ordering::Relaxed) {
                    tracing::info!("the database can be used again");
                }
                self.revision.send_if_modified(|current| {
                    // Lower than what was known before the question: the database was reset or restored.
                    let changed = found > *current || found < before && *current == before;
                    if changed {
                        *current = found;
                    }
                    changed
                });
            }
            Err(error) => {
                if self.reachable.swap(false, Ordering::Relaxed) {
                    tracing::warn!(
                        cause = sentence(&error),
                        "the database cannot be used; going on with what is known"
                    );
                }
            }
        }
    }

    /// Looks at regular times, for as long as the task lives.
    pub(crate) async fn poll(self: Arc<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Looks at each notification, for as long as the task lives.
    pub(crate) async fn listen(self: Arc<Self>, pool: PgPool, channel: String) {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.hear(&pool, &channel, &mut pause).await {
                Ok(()) => {}
                Err(error) => tracing::debug!(cause = %error, "listening for notifications failed"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    async fn hear(&self, pool: &PgPool, channel: &str, pause: &mut Duration) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        *pause = Duration::from_millis(50);
        // What was written before this moment was told to others.
        self.look().await;
        loop {
            // `None`: the connection broke and was made anew; notifications in between are lost.
            let heard = listener.try_recv().await?;
            while listener.next_buffered().is_some() {}
            if heard.is_none() {
                tracing::debug!("listening for notifications anew");
            }
            self.look().await;
        }
    }
}

/// The channel of a schema.
pub(crate) fn channel(schema: Option<&str>) -> String {
    let name = format!("silverback_{}", schema.unwrap_or("public"));
    // PostgreSQL refuses longer names.
    name.chars()
        .scan(0, |length, char| {
            *length += char.len_utf8();
            (*length <= 63).then_some(char)
        })
        .collect()
}
