//! The engine behind listeners: connections to the worker of their thread.

use crate::h1::connection::{refuse_cleartext, serve};
use crate::listen::Serve;
use crate::stream::ClientStream;
use crate::worker::{Ends, ListenerContext, Shared, Worker};
use exchange::Scheme;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Serves connections with the worker of the thread they come to, which it starts with the first one.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

thread_local! {
    /// The workers of this thread: one per engine of the process, which is one outside of tests.
    static WORKERS: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

impl Engine {
    /// An engine over what its workers share.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The worker of this thread. Must be called on a running arbiter.
    pub fn worker(&self) -> Rc<Worker> {
        WORKERS.with_borrow_mut(|workers| match workers.iter().find(|worker| Arc::ptr_eq(&worker.shared, &self.0)) {
            Some(worker) => worker.clone(),
            None => {
                let worker = Worker::start(self.0.clone());
                workers.push(worker.clone());
                worker
            }
        })
    }
}

impl Serve for Engine {
    async fn serve<S: ClientStream>(&self, io: S, ends: Ends, listener: Arc<ListenerContext>) {
        let worker = self.worker();
        if listener.scheme == Scheme::Https && ends.tls.is_none() {
            refuse_cleartext(io, worker).await;
        } else {
            serve(io, ends, listener, worker).await;
        }
    }
}
