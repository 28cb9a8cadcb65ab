//! The `RouteTable` actor: one configuration after the other becomes the Snapshot that requests read.
//!
//! Compiling happens on a blocking thread; the actor only keeps the order. The Snapshot belongs to the node: while this
//! actor is being restarted, requests are served from the one in use.

use super::Panic;
use super::core::{Core, LoadError};
use super::health_checkers::HealthCheckers;
use crate::supervise::Life;
use actix::{Actor, AtomicResponse, Context, Handler, Message, WrapFuture};
use std::sync::{Arc, Mutex, PoisonError};
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
    batch: Arc<Mutex<Option<Batch>>>,
    hash: String,
}

impl Replace {
    /// `batch` has its records, replacing all there are; `hash` is what `/status` shows from then on. Clones share the
    /// batch: it is applied once, whichever of them arrives.
    pub fn new(batch: Batch, hash: String) -> Self {
        Self { batch: Arc::new(Mutex::new(Some(batch))), hash }
    }

    fn take(&self) -> Option<Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Handler<Replace> for RouteTable {
    type Result = AtomicResponse<Self, Result<(), LoadError>>;

    fn handle(&mut self, replace: Replace, _: &mut Context<Self>) -> Self::Result {
        let batch = replace.take();
        let hash = replace.hash;
        let (core, health_checkers) = (self.core.clone(), self.health_checkers.clone());
        let compiling = self.core.clone();
        let built = actix_rt::task::spawn_blocking(move || match batch {
            Some(batch) => compiling.replace(batch, hash),
            // An actor before this one took it, and died with it.
            None => Err(LoadError::Panicked),
        });
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
