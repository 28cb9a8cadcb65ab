//! The instance that a configuration has in its server's present life.

use crate::connection::CallError;
use crate::server::{Lease, Server};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use tokio::sync::Mutex;

/// An instance.
struct Started {
    life: Arc<str>,
    id: i64,
}

/// Started when it is first asked for, once in each life of the server.
pub struct Instances {
    server: Arc<Server>,
    plugin: &'static str,
    /// JSON text.
    config: String,
    known: ArcSwapOption<Started>,
    starting: Mutex<()>,
}

impl Instances {
    /// For a configuration, as JSON text.
    pub fn new(server: Arc<Server>, plugin: &'static str, config: String) -> Self {
        Self { server, plugin, config, known: ArcSwapOption::empty(), starting: Mutex::default() }
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    fn known(&self, lease: &Lease) -> Option<i64> {
        self.known.load().as_ref().filter(|started| started.life == *lease.life()).map(|started| started.id)
    }

    /// Its number.
    pub async fn id(&self, lease: &mut Lease) -> Result<i64, CallError> {
        if let Some(id) = self.known(lease) {
            return Ok(id);
        }
        let _alone = self.starting.lock().await;
        if let Some(id) = self.known(lease) {
            return Ok(id);
        }
        let id = lease.start(self.plugin, &self.config).await?;
        self.known.store(Some(Arc::new(Started { life: lease.life().clone(), id })));
        Ok(id)
    }

    /// Forgets an instance that the server does not know any more.
    pub fn forget(&self, id: i64) {
        if self.known.load().as_ref().is_some_and(|started| started.id == id) {
            self.known.store(None);
        }
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        if let Some(started) = self.known.swap(None) {
            self.server.close(started.life.clone(), started.id);
        }
    }
}
