//! Where the database is, and the connections to it.

use crate::connection::Connection;
use crate::embedded::{Embedded, Place};
use crate::failure::OpenError;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::sqlite::SqlitePoolOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a writer waits for its turn, and a reader for a connection of an embedded database.
pub(crate) const TURN: Duration = Duration::from_secs(30);
/// Statements kept prepared per connection: a handful for each kind.
const STATEMENTS: usize = 512;

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// `database = sqlite`.
    Sqlite(Sqlite),
    /// `database = postgres`.
    Postgres(Postgres),
}

/// An embedded database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    /// The file, made when it is not there; `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// How long to wait while another process writes.
    pub busy_timeout: Duration,
    /// Connections for reading, at least one. Writing has one of its own.
    pub readers: u32,
}

impl Sqlite {
    /// A file with the usual settings.
    pub fn file(path: impl Into<PathBuf>) -> Sqlite {
        Sqlite { path: Some(path.into()), ..Sqlite::memory() }
    }

    /// Nothing that outlives the process.
    pub fn memory() -> Sqlite {
        Sqlite { path: None, busy_timeout: Duration::from_secs(5), readers: 2 }
    }
}

/// Encryption of the connections to PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// `pg_ssl = off`.
    #[default]
    Off,
    /// `pg_ssl = on`, `pg_ssl_verify = off`.
    Unverified,
    /// `pg_ssl = on`, `pg_ssl_verify = on`: the certificate must be for the host and be signed by an authority of this
    /// file, or of the well-known ones.
    Verified(Option<PathBuf>),
}

/// A PostgreSQL server.
#[derive(Clone)]
pub struct Postgres {
    /// `pg_host`: a name or an address; a directory with a socket when it begins with `/`.
    pub host: String,
    /// `pg_port`.
    pub port: u16,
    /// `pg_database`.
    pub database: String,
    /// `pg_schema`; the server's default (`public`) when `None`.
    pub schema: Option<String>,
    /// `pg_user`.
    pub user: String,
    /// `pg_password`.
    pub password: Option<String>,
    /// `pg_ssl`, `pg_ssl_verify`.
    pub tls: Tls,
    /// `pg_timeout`: for connecting and for each statement.
    pub timeout: Duration,
    /// `pg_pool_size`: how many connections at most, besides the one that listens and the one that looks at the revision.
    pub pool_size: u32,
    /// How long a statement waits for a connection (`pg_semaphore_timeout`, where `pg_max_concurrent_queries` bounds
    /// them); `timeout` unless given.
    pub turn: Option<Duration>,
    /// `pg_backlog`: how many calls may wait for a connection; any number unless given.
    pub backlog: Option<u32>,
    /// `pg_keepalive_timeout`: how long an unused connection stays open.
    pub keepalive: Option<Duration>,
}

impl Default for Postgres {
    fn default() -> Postgres {
        Postgres {
            host: "127.0.0.1".to_owned(),
            port: 5432,
            database: "kong".to_owned(),
            schema: None,
            user: "kong".to_owned(),
            password: None,
            tls: Tls::Off,
            timeout: Duration::from_secs(5),
            pool_size: 10,
            turn: None,
            backlog: None,
            keepalive: Some(Duration::from_secs(60)),
        }
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password is in no log.
        out.debug_struct("Postgres")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("schema", &self.schema)
            .field("user", &self.user)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// What is shown to people: the path, or host, port and name.
    pub fn shown(&self) -> String {
        match self {
            Database::Sqlite(Sqlite { path: Some(path), .. }) => format!("SQLite {}", path.display()),
            Database::Sqlite(_) => "SQLite in-memory".to_owned(),
            Database::Postgres(to) => format!("PostgreSQL {}:{}/{}", to.host, to.port, to.database),
        }
    }

    /// The database's name, as `migrations` commands show it.
    pub fn name(&self) -> String {
        match self {
            Database::Sqlite(Sqlite { path: Some(path), .. }) => path.display().to_string(),
            Database::Sqlite(_) => "memory".to_owned(),
            Database::Postgres(to) => to.database.clone(),
        }
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        match self {
            Database::Sqlite(_) => None,
            Database::Postgres(to) => to.schema.as_deref(),
        }
    }
}

/// Open connections. They are made when first needed, and anew when they break.
#[derive(Clone)]
pub(crate) struct Pools {
    pub(crate) write: Connection,
    pub(crate) read: Connection,
    /// For looking at the revision: never kept waiting by the other connections' work.
    pub(crate) watch: Connection,
    /// PostgreSQL: for listening.
    pub(crate) listen: Option<PgPool>,
    /// For migrations, before anything else is done.
    pub(crate) orm: DatabaseConnection,
}

/// Makes the pools. Must be called on the runtime that will use them. `patience`: how long a lock is waited for, where the
/// caller is not content with the database's settings.
pub(crate) fn connect(database: &Database, patience: Option<Duration>) -> Result<Pools, OpenError> {
    match database {
        Database::Sqlite(to) => Ok(sqlite(to, patience)),
        Database::Postgres(to) => postgres(to),
    }
}

fn sqlite(to: &Sqlite, patience: Option<Duration>) -> Pools {
    let patience = patience.unwrap_or(to.busy_timeout);
    let place = Place::new(to.path.clone());
    let connection = |count: u32| Connection::Sqlite(Arc::new(Embedded::new(place.clone(), patience, count)));
    let write = connection(1);
    let read = if place.is_shared() { connection(to.readers.max(1)) } else { write.clone() };
    // Connections to a file do not break.
    let orm = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(place.options(patience).disable_statement_logging());
    let orm = SqlxSqliteConnector::from_sqlx_sqlite_pool(orm);
    Pools { write, watch: read.clone(), read, listen: None, orm }
}

fn postgres(to: &Postgres) -> Result<Pools, OpenError> {
    let mode = match &to.tls {
        Tls::Off => PgSslMode::Disable,
        Tls::Unverified => PgSslMode::Require,
        Tls::Verified(_) => PgSslMode::VerifyFull,
    };
    // Neither the environment's `PG…` variables nor a password file: `kong.conf` alone decides.
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(to.port)
        .database(&to.database)
        .username(&to.user)
        .password(to.password.as_deref().unwrap_or_default())
        .ssl_mode(mode)
        .application_name("silverback")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    options = match to.host.starts_with('/') {
        true => options.socket(&to.host),
        false => options.host(&to.host),
    };
    if let Tls::Verified(Some(authorities)) = &to.tls {
        options = options.ssl_root_cert(authorities);
    }
    let mut settings = vec![("statement_timeout", to.timeout.as_millis().to_string())];
    if let Some(schema) = &to.schema {
        // Quoted, as a list of one: a schema's name may hold capitals and commas.
        settings.push(("search_path", format!("\"{}\"", schema.replace('"', "\"\""))));
    }
    options = options.options(settings);
    let pool = |connections: u32, turn: Duration| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(turn)
            .idle_timeout(to.keepalive)
            .connect_lazy_with(options.clone())
    };
    let connection =
        |connections: u32, turn: Duration| SqlxPostgresConnector::from_sqlx_postgres_pool(pool(connections, turn));
    let orm = connection(to.pool_size.max(2), to.turn.unwrap_or(to.timeout));
    let shared = Connection::Postgres(orm.clone());
    let watch = Connection::Postgres(connection(1, to.timeout * 2));
    // Writers come one after the other in this process, so they cannot use up the pool while they wait for other nodes.
    Ok(Pools { write: shared.clone(), read: shared, watch, listen: Some(pool(1, to.timeout)), orm })
}

impl Pools {
    /// Closes what was for migrations alone.
    pub(crate) async fn migrated(&self) {
        if let Connection::Sqlite(_) = &self.write {
            let _ = self.orm.clone().close().await;
        }
    }

    pub(crate) async fn close(&self) {
        for connection in [&self.write, &self.read, &self.watch] {
            connection.close().await;
        }
        if let Some(pool) = &self.listen {
            pool.close().await;
        }
        let _ = self.orm.clone().close().await;
    }
}
