//! Where configuration lives, and how it is kept in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checker::{Checker, under};
use crate::problem::{Notice, Origin};
use crate::secret::Secret;

/// Kinds of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// None: a declarative file, or `POST /config`.
    Off,
    /// A file of this node.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Database {
    /// Its name in `database`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub(crate) fn read(c: &mut Checker<'_>) -> Self {
        match c.text("database") {
            Some("off") => Self::Off,
            Some("postgres") => Self::Postgres,
            Some("sqlite") => Self::Sqlite,
            Some("cassandra") => {
                let message = "Cassandra as a datastore for Kong is not supported in versions 3.4 and above. \
                               Please use Postgres.";
                c.wrong("database", message, "postgres, sqlite or off");
                Self::Off
            }
            _ => {
                let set = c.values.iter().find(|(name, e)| name.starts_with("pg_") && e.origin != Origin::Default);
                let (database, why) = match set {
                    Some((name, entry)) => (Self::Postgres, format!("{name} is set ({})", entry.origin)),
                    None => (Self::Sqlite, "no pg_* property is set".to_owned()),
                };
                let text = format!("database is not set: using {}, since {why}", database.name());
                c.notices.push(Notice::information(text));
                database
            }
        }
    }
}

/// How PostgreSQL is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Host name, address, or folder of a Unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Schema; none is the server's choice.
    pub schema: Option<String>,
    /// Time to connect, send or read.
    pub timeout: Duration,
    /// User.
    pub user: String,
    /// Password.
    pub password: Option<Secret>,
    /// Whether TLS is used.
    pub ssl: bool,
    /// Whether its certificate is verified.
    pub ssl_verify: bool,
    /// Queries at a time; none is no limit.
    pub max_concurrent_queries: Option<u64>,
    /// How long a query waits for its turn.
    pub semaphore_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive_timeout: Option<Duration>,
    /// Connections in the pool.
    pub pool_size: Option<u64>,
    /// Queries that may wait for a connection.
    pub backlog: Option<u64>,
}

impl Postgres {
    fn read(c: &mut Checker<'_>, prefix: &str, main: Option<&Self>) -> Self {
        let name = |what: &str| format!("{prefix}{what}");
        // What the replica does not set, it takes from the main server.
        let text = |c: &Checker<'_>, what, of: fn(&Self) -> &String| {
            c.optional(&name(what)).unwrap_or_else(|| main.map(|m| of(m).clone()).unwrap_or_default())
        };
        let flag = |c: &Checker<'_>, what: &str, of: fn(&Self) -> bool| match main {
            Some(main) if !c.values.is_set(&name(what)) => of(main),
            _ => c.flag(&name(what)),
        };
        let positive = "must be an integer greater than 0";
        let not_negative = "must be an integer of 0 or greater";
        Self {
            host: text(c, "host", |m| &m.host),
            port: match c.values.is_set(&name("port")) || main.is_none() {
                true => c.port(&name("port")),
                false => main.map_or(5432, |m| m.port),
            },
            database: text(c, "database", |m| &m.database),
            schema: c.optional(&name("schema")).or_else(|| main.and_then(|m| m.schema.clone())),
            timeout: c.optional_milliseconds(&name("timeout")).or(main.map(|m| m.timeout)).unwrap_or_default(),
            user: text(c, "user", |m| &m.user),
            password: c.secret(&name("password")).or_else(|| main.and_then(|m| m.password.clone())),
            ssl: flag(c, "ssl", |m| m.ssl),
            ssl_verify: flag(c, "ssl_verify", |m| m.ssl_verify),
            max_concurrent_queries: c
                .optional_integer(&name("max_concurrent_queries"), 0..=(1 << 32), not_negative)
                .or(main.and_then(|m| m.max_concurrent_queries))
                .filter(|n| *n > 0),
            semaphore_timeout: c
                .optional_milliseconds(&name("semaphore_timeout"))
                .or(main.map(|m| m.semaphore_timeout))
                .unwrap_or_default(),
            keepalive_timeout: c
                .optional_milliseconds(&name("keepalive_timeout"))
                .or(main.and_then(|m| m.keepalive_timeout)),
            pool_size: c
                .optional_integer(&name("pool_size"), 1..=(1 << 32), positive)
                .or(main.and_then(|m| m.pool_size)),
            backlog: c.optional_integer(&name("backlog"), 1..=(1 << 32), positive).or(main.and_then(|m| m.backlog)),
        }
    }
}

/// Declarative configuration of a node without a database.
#[derive(Debug, Clone, Default)]
pub struct Declarative {
    /// Its file.
    pub file: Option<PathBuf>,
    /// Its text.
    pub text: Option<Secret>,
}

/// Storage.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Kind.
    pub database: Database,
    /// PostgreSQL.
    pub postgres: Postgres,
    /// A read-only replica of it.
    pub postgres_replica: Option<Postgres>,
    /// Time between two clean-ups of expired rows.
    pub ttl_cleanup_interval: Duration,
    /// The file of SQLite.
    pub sqlite: PathBuf,
    /// Secrets whose keys encrypt what is secret in the database; the first one encrypts.
    pub keyring: Vec<Secret>,
    /// What a node without a database is told; empty with one.
    pub declarative: Declarative,
    /// Time between two looks at the change log.
    pub update_frequency: Duration,
    /// How far replicas may lag.
    pub update_propagation: Duration,
    /// How long an entity stays in the cache; none is for ever.
    pub cache_ttl: Option<Duration>,
    /// How long a miss does; none is as an entity.
    pub cache_negative_ttl: Option<Duration>,
    /// How long an expired entity may be used when the database is gone.
    pub resurrect_ttl: Duration,
    /// Bytes of the cache.
    pub mem_cache_size: u64,
}

impl Storage {
    pub(super) fn read(c: &mut Checker<'_>, prefix: &Path) -> Self {
        let database = Database::read(c);
        let postgres = Postgres::read(c, "pg_", None);
        let replica = c.text("pg_ro_host").is_some().then(|| Postgres::read(c, "pg_ro_", Some(&postgres)));
        let declarative = match database {
            Database::Off => {
                Declarative { file: c.path("declarative_config"), text: c.secret("declarative_config_string") }
            }
            _ => Declarative::default(),
        };
        if declarative.file.is_some() && declarative.text.is_some() {
            let text = "both declarative_config and declarative_config_string are set; the file counts";
            c.notices.push(Notice::warning(text));
        }
        let keyring: Vec<_> = c.owned_list("keyring_secret").into_iter().map(Secret::new).collect();
        if database == Database::Off && !keyring.is_empty() {
            c.notices.push(Notice::warning("keyring_secret does nothing without a database"));
        }
        Self {
            database,
            keyring,
            postgres_replica: replica,
            postgres,
            ttl_cleanup_interval: c.seconds("_debug_pg_ttl_cleanup_interval"),
            sqlite: under(prefix, c.string("sqlite_path")),
            declarative,
            update_frequency: c.seconds("db_update_frequency"),
            update_propagation: c.seconds("db_update_propagation"),
            cache_ttl: Some(c.seconds("db_cache_ttl")).filter(|t| !t.is_zero()),
            cache_negative_ttl: c.optional_seconds("db_cache_neg_ttl").filter(|t| !t.is_zero()),
            resurrect_ttl: c.seconds("db_resurrect_ttl"),
            mem_cache_size: mem_cache_size(c),
        }
    }
}

fn mem_cache_size(c: &mut Checker<'_>) -> u64 {
    let bytes = c.size("mem_cache_size", 128 << 20);
    if bytes == 0 {
        c.wrong("mem_cache_size", "mem_cache_size must be greater than 0", "a size such as 128m");
    }
    bytes
}
