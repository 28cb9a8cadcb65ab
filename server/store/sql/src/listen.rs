//! Learning of what other nodes wrote.
//!
//! A notification says "look", and so does a tick of the clock: both lead to reading the revision, and only a revision that
//! changed is passed on. What was lost with a notification is thus found at the next look.

use crate::failure::{Fault, sentence};
use crate::link::Link;
use crate::log;
use sea_orm::DbErr;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::Revision;
use tokio::sync::watch;

/// The longest pause between attempts to listen again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a replica is asked again for what its database has.
const CHASE: Duration = Duration::from_secs(10);

/// Looks at the revision and tells it.
pub(crate) struct Lookout {
    pub(crate) link: Arc<Link>,
    pub(crate) revision: watch::Sender<Revision>,
    pub(crate) reachable: AtomicBool,
}

impl Lookout {
    /// Reads the revision once.
    pub(crate) async fn look(&self) {
        let before = *self.revision.borrow();
        match self.ask().await {
            Ok(found) => {
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

    async fn ask(&self) -> Result<Revision, Fault> {
        let pools = self.link.pools();
        let Some(patience) = self.link.patience() else { return Ok(log::revision(&pools.watch).await?.0) };
        let asked = tokio::time::timeout(patience, log::revision(&pools.watch)).await;
        let silent = || DbErr::Custom(format!("no answer within {} ms", patience.as_millis()));
        let answer = asked.unwrap_or_else(|_| Err(silent().into()));
        if let Err(error) = &answer
            && error.is_silent()
        {
            self.link.give_up(&pools);
        }
        Ok(answer?.0)
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

    /// Looks for what was told of elsewhere until it is here too, for as long as the task lives. What takes longer than
    /// [`CHASE`] is found at a regular look.
    pub(crate) async fn chase(self: Arc<Self>, mut told: watch::Receiver<Revision>) {
        while told.changed().await.is_ok() {
            let wanted = *told.borrow_and_update();
            let (begun, mut pause) = (Instant::now(), Duration::from_millis(2));
            loop {
                self.look().await;
                if *self.revision.borrow() >= wanted || begun.elapsed() > CHASE {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        }
    }

    /// Looks at each notification, for as long as the task lives.
    pub(crate) async fn listen(self: Arc<Self>, channel: String) {
        let mut pause = Duration::from_millis(50);
        loop {
            let given_up = self.link.given_up();
            tokio::select! {
                heard = self.hear(&channel, &mut pause) => if let Err(error) = heard {
                    tracing::debug!(cause = %error, "listening for notifications failed");
                },
                () = given_up => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    async fn hear(&self, channel: &str, pause: &mut Duration) -> Result<(), sqlx::Error> {
        let pools = self.link.pools();
        let Some(pool) = &pools.listen else { return Ok(()) };
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
