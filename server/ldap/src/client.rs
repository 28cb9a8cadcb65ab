//! The directories of a node, and the thread their connections live on.

use crate::answers::Answers;
use crate::network::Network;
use crate::pool::{Pool, SWEEP};
use exchange::ldap::{Binding, Ldap, LdapEntries, LdapError, LdapSearch, LdapServer};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The directories of a node. Its thread ends with it, and with the thread every connection.
pub struct Client {
    network: Arc<dyn Network>,
    started: OnceLock<Result<Started, LdapError>>,
}

struct Started {
    runtime: Handle,
    pool: Arc<Pool>,
    answers: Arc<Answers>,
    /// Dropped to end the thread.
    _until: oneshot::Sender<()>,
}

impl Client {
    /// Nobody was asked yet, and no thread runs.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, started: OnceLock::new() }
    }

    fn started(&self) -> Result<&Started, LdapError> {
        let started = self.started.get_or_init(|| {
            let answers = Arc::new(Answers::new().map_err(LdapError::new)?);
            let pool = Arc::new(Pool::new(self.network.clone()));
            let (runtime, until) = start(pool.clone()).map_err(|error| {
                LdapError::new(format_args!("the thread of LDAP connections cannot be started: {error}"))
            })?;
            Ok(Started { runtime, pool, answers, _until: until })
        });
        started.as_ref().map_err(Clone::clone)
    }
}

fn start(pool: Arc<Pool>) -> std::io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (until, mut end) = oneshot::channel::<()>();
    std::thread::Builder::new().name("ldap".into()).spawn(move || {
        runtime.block_on(async {
            while tokio::time::timeout(SWEEP, &mut end).await.is_err() {
                pool.sweep();
            }
        });
    })?;
    Ok((handle, until))
}

impl Ldap for Client {
    fn search(&self, server: &LdapServer, search: LdapSearch) -> LdapEntries {
        let started = match self.started() {
            Ok(started) => started,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let (pool, server) = (started.pool.clone(), server.clone());
        let task = started.runtime.spawn(async move { pool.search(&server, &search).await });
        Box::pin(async move { task.await.unwrap_or_else(|error| Err(LdapError::new(error))) })
    }

    fn bind(&self, server: &LdapServer, dn: &str, password: &str, keep: Duration) -> Binding {
        if password.is_empty() {
            // A bind without a password succeeds for every name (RFC 4513 §5.1.2).
            return Binding::Known(false);
        }
        let started = match self.started() {
            Ok(started) => started,
            Err(error) => return Binding::Wait(Box::pin(std::future::ready(Err(error)))),
        };
        let (pool, answers) = (started.pool.clone(), started.answers.clone());
        let name = answers.name(server, dn, password);
        if let Some(said) = answers.get(&name) {
            return Binding::Known(said);
        }
        let (server, dn, password) = (server.clone(), dn.to_owned(), password.to_owned());
        let task = started.runtime.spawn(async move {
            let said = pool.bind(&server, &dn, &password).await?;
            answers.keep(name, said, keep);
            Ok(said)
        });
        Binding::Wait(Box::pin(async move { task.await.unwrap_or_else(|error| Err(LdapError::new(error))) }))
    }
}
