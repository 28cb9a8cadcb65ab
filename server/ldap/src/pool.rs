//! Connections to directory servers, and questions over them.

use crate::network::Network;
use exchange::ldap::{LdapEntry, LdapError, LdapSearch, LdapSecurity, LdapServer};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, StdStream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections to all servers that are in use at the same time; more questions wait.
const AT_ONCE: usize = 64;
/// Entries that a search gives at most.
const ENTRIES: i32 = 1000;

/// Connections that nobody uses, by server.
pub struct Pool {
    network: Arc<dyn Network>,
    idle: Mutex<HashMap<LdapServer, Vec<Idle>>>,
    places: Semaphore,
}

struct Idle {
    connection: Ldap,
    until: Instant,
}

impl Pool {
    /// Without connections.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, idle: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }

    /// Whether name and password belong together. Every refusal of the directory is a no; an error means that it said
    /// nothing.
    pub async fn bind(&self, server: &LdapServer, dn: &str, password: &str) -> Result<bool, LdapError> {
        let asking = async {
            let _place = self.places.acquire().await.map_err(LdapError::new)?;
            // The server may have closed a connection that was kept: that says nothing of the server.
            while let Some(connection) = self.kept(server) {
                if let Ok(said) = self.ask(server, connection, dn, password).await {
                    return Ok(said);
                }
            }
            let connection = self.connect(server).await?;
            self.ask(server, connection, dn, password).await
        };
        within(server, asking).await
    }

    /// Looks for entries.
    pub async fn search(&self, server: &LdapServer, search: &LdapSearch) -> Result<Vec<LdapEntry>, LdapError> {
        let searching = async {
            let _place = self.places.acquire().await.map_err(LdapError::new)?;
            let mut connection = self.connect(server).await?;
            let (dn, password) = search.asker.as_ref().map_or(("", ""), |(dn, password)| (dn, password));
            let said = connection.simple_bind(dn, password).await.map_err(LdapError::new)?;
            if said.rc != 0 {
                return Err(LdapError::new(format_args!("it refuses the entry that searches: {}", said.text)));
            }
            connection.with_search_options(SearchOptions::new().sizelimit(ENTRIES));
            let LdapSearch { base, filter, attributes, .. } = search;
            let found = connection.search(base, Scope::Subtree, filter, attributes).await;
            let (found, _) = found.and_then(ldap3::SearchResult::success).map_err(LdapError::new)?;
            self.keep(server, connection);
            let entries = found.into_iter().map(SearchEntry::construct);
            Ok(entries.map(|entry| LdapEntry { dn: entry.dn, attributes: entry.attrs.into_iter().collect() }).collect())
        };
        within(server, searching).await
    }

    async fn ask(
        &self,
        server: &LdapServer,
        mut connection: Ldap,
        dn: &str,
        password: &str,
    ) -> Result<bool, LdapError> {
        let said = connection.simple_bind(dn, password).await.map_err(LdapError::new)?;
        tracing::debug!(code = said.rc, "a directory answered");
        self.keep(server, connection);
        Ok(said.rc == 0)
    }

    async fn connect(&self, server: &LdapServer) -> Result<Ldap, LdapError> {
        let address = self.network.resolve(&server.host, server.port).await.map_err(LdapError::new)?;
        let stream = TcpStream::connect(address).await.map_err(LdapError::new)?;
        let stream = stream.into_std().map_err(LdapError::new)?;
        let scheme = if server.security == LdapSecurity::Tls { "ldaps" } else { "ldap" };
        let mut settings = LdapConnSettings::new()
            .set_std_stream(StdStream::Tcp(stream))
            .set_starttls(server.security == LdapSecurity::StartTls);
        if server.security != LdapSecurity::None {
            settings = settings
                .set_config(self.network.tls(server.verify).map_err(LdapError::new)?)
                .set_no_tls_verify(!server.verify);
        }
        let host = if server.host.contains(':') && !server.host.starts_with('[') {
            format!("[{}]", server.host)
        } else {
            server.host.clone()
        };
        let url = format!("{scheme}://{host}:{}", server.port);
        let (task, connection) = LdapConnAsync::with_settings(settings, &url).await.map_err(LdapError::new)?;
        tokio::spawn(async move {
            if let Err(error) = task.drive().await {
                tracing::debug!(%error, "a connection to a directory ended");
            }
        });
        Ok(connection)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<LdapServer, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, server: &LdapServer) -> Option<Ldap> {
        let mut idle = self.idle();
        let kept = idle.get_mut(server)?;
        let now = Instant::now();
        while let Some(mut last) = kept.pop() {
            if last.until > now && !last.connection.is_closed() {
                return Some(last.connection);
            }
        }
        None
    }

    fn keep(&self, server: &LdapServer, connection: Ldap) {
        let Some(until) = Instant::now().checked_add(server.keepalive) else { return };
        self.idle().entry(server.clone()).or_default().push(Idle { connection, until });
    }

    /// Closes connections that were kept long enough.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.idle().retain(|_, kept| {
            kept.retain(|one| one.until > now);
            !kept.is_empty()
        });
    }
}

/// What a server says within the time it has for one question.
async fn within<T>(server: &LdapServer, asking: impl Future<Output = Result<T, LdapError>>) -> Result<T, LdapError> {
    let late = || Err(LdapError::new(format_args!("no answer within {} ms", server.timeout.as_millis())));
    tokio::time::timeout(server.timeout, asking).await.unwrap_or_else(|_| late())
}

/// How often connections are looked through.
pub const SWEEP: Duration = Duration::from_secs(5);
