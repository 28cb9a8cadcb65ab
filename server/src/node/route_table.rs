//! The `RouteTable` actor: one configuration after the other becomes the Snapshot that requests read.
//!
//! Compiling happens on a blocking thread; the actor only keeps the order. The Snapshot belongs to the node: while this
//! actor is being restarted, requests are served from the one in use.

use super::Panic;
use super::core::{Core, LoadError};
use super::health_checkers::HealthCheckers;
use crate::supervise::Life;
use actix::{Actor, AtomicResponse, Context, Handler, Message, WrapFuture};
use std::sync::Arc;
use store::Batch;

/// Publishes configurations, in order.
pub struct RouteTable {
    core: Arc<Core>,
    health_checkers: Arc<HealthCheckers>,
    _life: Life,
}

impl RouteTable {
    /// An actor over a node's parts.
    pub fn new(core: Arc<Core>, health_checkers: Arc<HealthCheckers>, life: Life) -> Self {
        Self { core, health_checkers, _life: life }
    }
}

impl Actor for RouteTable {
    type Context = Context<Self>;
}

/// Puts a configuration in the place of everything there is. Answered when requests see it.
#[derive(Message, Clone)]
#[rtype(result = "Result<(), LoadError>")]
pub struct Replace {
    /// Its records, replacing all there are.
    pub batch: Batch,
    /// The hash that `/status` shows from then on.
    pub hash: String,
}

impl Handler<Replace> for RouteTable {
    type Result = AtomicResponse<Self, Result<(), LoadError>>;

    fn handle(&mut self, Replace { batch, hash }: Replace, _: &mut Context<Self>) -> Self::Result {
        let (core, health_checkers) = (self.core.clone(), self.health_checkers.clone());
        let compiling = self.core.clone();
        let built = actix_rt::task::spawn_blocking(move || compiling.replace(batch, hash));
        let done = async move {
            match built.await {
                Ok(done) => {
                    health_checkers.sync(&core);
                    done
                }
                Err(error) => {
                    tracing::error!(%error, "compiling a configuration failed; the one in use stays");
                    Err(LoadError::Panicked)
                }
            }
        };
        AtomicResponse::new(Box::pin(done.into_actor(self)))
    }
}

impl Handler<Panic> for RouteTable {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}
