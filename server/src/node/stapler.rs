//! The `Stapler` actor: asks OCSP responders about the certificates that must be stapled.
//!
//! Staples belong to the node: while this actor is being restarted, handshakes show what they showed before.

use super::Panic;
use crate::supervise::Life;
use actix::{Actor, AsyncContext, Context, Handler, WrapFuture};
use exchange::HttpClient;
use ocsp_client::Staples;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::time::sleep_until;

/// Questions at the same time.
const QUESTIONS: usize = 8;

/// Asks for staples.
pub struct Stapler {
    staples: Arc<Staples>,
    http: Arc<dyn HttpClient>,
    _life: Life,
}

impl Stapler {
    /// An actor over the node's staples.
    pub fn new(staples: Arc<Staples>, http: Arc<dyn HttpClient>, life: Life) -> Self {
        Self { staples, http, _life: life }
    }
}

impl Actor for Stapler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.spawn(attend(self.staples.clone(), self.http.clone()).into_actor(self));
    }
}

async fn attend(staples: Arc<Staples>, http: Arc<dyn HttpClient>) {
    let questions = Arc::new(Semaphore::new(QUESTIONS));
    // It is never closed.
    while let Ok(permit) = questions.clone().acquire_owned().await {
        if let Some(slot) = staples.take_due(Instant::now()) {
            let (staples, http) = (staples.clone(), http.clone());
            actix_rt::spawn(async move {
                staples.ask(&slot, &*http).await;
                drop(permit);
                staples.changed.notify_one();
            });
            continue;
        }
        drop(permit);
        let due = async {
            match staples.next() {
                Some(next) => sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = staples.changed.notified() => {}
            () = due => {}
        }
    }
}

impl Handler<Panic> for Stapler {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}
