//! The engine behind listeners: connections to the worker of their thread.

use crate::h1::connection::{refuse_cleartext, serve};
use crate::h2;
use crate::h2::preface::{self, Speaks};
use crate::listen::Serve;
use crate::stream::ClientStream;
use crate::worker::{Ends, ListenerContext, Purpose, Shared, Worker};
use bytes::BytesMut;
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

    /// This thread begins; told once for each listener.
    pub(crate) fn begin_for(&self, purpose: Purpose) {
        if let Some(begins) = &self.0.begins {
            begins(purpose);
        }
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
    fn begin(&self) {
        self.begin_for(Purpose::Connections);
    }

    // Boxed is what most connections never come to: each would have room for it in its task as long as it lives.
    async fn serve<S: ClientStream>(&self, mut io: S, ends: Ends, listener: Arc<ListenerContext>) {
        let worker = self.worker();
        if listener.scheme == Scheme::Https && ends.tls.is_none() {
            Box::pin(refuse_cleartext(io, worker)).await;
        } else if ends.http2 {
            Box::pin(h2::serve(io, BytesMut::new(), ends, listener, worker)).await;
        } else if listener.http2 && listener.scheme == Scheme::Http {
            let mut ahead = BytesMut::new();
            match preface::listen(&mut io, &mut ahead, &worker).await {
                Some(Speaks::Http2) => Box::pin(h2::serve(io, ahead, ends, listener, worker)).await,
                Some(Speaks::Http1) => serve(io, ahead, ends, listener, worker).await,
                None => {}
            }
        } else {
            serve(io, BytesMut::new(), ends, listener, worker).await;
        }
    }
}
