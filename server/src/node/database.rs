//! The database of a node: where it is, how it is opened, what is in it from the beginning.

use super::core::{Core, now};
use config::{Settings, Trusted};
use declarative::Kinds;
use entities::DEFAULT_WORKSPACE;
use serde_json::{Map, Value};
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Batch, Error, Filter, Id, Operation, Query, Record, Store};
use store_sql::{Background, Blueprint, Commands, Keyring, OpenError, Postgres, Sql, Sqlite, Tls};

/// The first pause between two attempts to open a database; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Records of each kind that are removed in one transaction when their time has run out.
const SWEPT: usize = 500;
/// Connections to PostgreSQL unless `pg_pool_size` says otherwise.
const POOL: u64 = 10;

/// How patient the opening of a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// `--db-timeout`: how long a database that cannot be reached is asked again.
    pub database: Duration,
    /// `--lock-timeout`: how long another node that migrates is waited for.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { database: Duration::from_secs(60), lock: Duration::from_secs(60) }
    }
}

/// An open database with the thread that its connections live on.
pub struct Database {
    /// What is stored.
    pub store: Arc<Sql>,
    /// A read-only replica (`pg_ro_host`), for what requests through the proxy need.
    pub replica: Option<Arc<Sql>>,
    /// The thread; it ends after the connections.
    pub background: Background,
}

impl Database {
    /// Opens the database that the settings name and sets up an empty one. One that cannot be reached is asked again,
    /// with a line in the log for each attempt.
    pub async fn open(settings: &Settings, kinds: &Kinds, patience: Patience) -> Result<Self, String> {
        let place = place(settings)?;
        let background = start_background()?;
        let opening = store_sql::Settings {
            lock_timeout: patience.lock,
            poll: settings.storage.update_frequency,
            ..store_sql::Settings::new(place)
        };
        let blueprint = Arc::new(blueprint(settings, kinds, |keyring| keyring)?);
        let open = || Sql::open(background.handle(), opening.clone(), blueprint.clone());
        let transient = |error: &OpenError| matches!(error, OpenError::Unavailable { .. });
        let store = Arc::new(insist(open, transient, patience.database).await?);
        begin(&*store, kinds).await.map_err(|error| error.to_string())?;
        let password = settings.initial_password.as_ref().map(config::Secret::reveal);
        seed(&*store, kinds, password).await.map_err(|error| error.to_string())?;
        Ok(Self { store, replica: None, background })
    }

    /// Opens the read-only replica that the settings name, if they name one. One that cannot be reached yet, or does not
    /// yet have what was set up a moment ago, is asked again.
    pub async fn with_replica(self, settings: &Settings, patience: Patience) -> Result<Self, String> {
        let (config::Database::Postgres, Some(given)) = (settings.storage.database, &settings.storage.postgres_replica)
        else {
            return Ok(self);
        };
        let opening = store_sql::Settings {
            poll: settings.storage.update_frequency,
            ..store_sql::Settings::new(store_sql::Database::Postgres(postgres(given, settings)?))
        };
        let handle = self.background.handle();
        let open = || Sql::open_replica(handle, opening.clone(), &self.store);
        let transient = |error: &OpenError| matches!(error, OpenError::Unavailable { .. } | OpenError::NeedsBootstrap);
        let replica = insist(open, transient, patience.database).await?;
        Ok(Self { replica: Some(Arc::new(replica)), ..self })
    }

    /// Refuses a database in which nobody could use the Admin API that these settings guard.
    pub async fn check_way_in(&self, settings: &Settings) -> Result<(), String> {
        if settings.rbac.level == config::RbacLevel::Off {
            return Ok(());
        }
        let users = Query { entity: "rbac_users", ws: None, after: None, size: 1, filter: Filter::default() };
        let found = self.store.page(&users).await.map_err(|error| error.to_string())?;
        if found.records.is_empty() { Err(admin::GateError::Nobody.to_string()) } else { Ok(()) }
    }

    /// Where what requests through the proxy need is read, and followed.
    pub fn reading(&self) -> &Arc<Sql> {
        self.replica.as_ref().unwrap_or(&self.store)
    }
}

/// Tries again what failed for a reason that may pass, with a line in the log for each attempt.
async fn insist<T, F>(
    mut attempt: impl FnMut() -> F,
    transient: impl Fn(&OpenError) -> bool,
    patience: Duration,
) -> Result<T, String>
where
    F: Future<Output = Result<T, OpenError>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    for number in 1.. {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if transient(&error) && Instant::now() + pause < deadline => error,
            Err(error) => return Err(error.to_string()),
        };
        tracing::warn!("attempt {number}: {error}; trying again in {} ms", pause.as_millis());
        actix_rt::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err("the database was never asked".into())
}

/// Has the node forget people that changed, and records removed whose time to live has run out; for as long as the
/// database's thread lives.
pub(super) fn attend(core: &Core, cleanup: Duration) {
    let (Some(database), Some(people)) = (core.database(), core.people.clone()) else { return };
    let handle = database.background.handle();
    let seen = core.followed().map_or(0, |view| view.revision());
    handle.spawn(async move {
        // A panic is a bug; people who changed must not stay known because of one.
        while tokio::spawn(people.clone().follow(seen)).await.is_err_and(|error| error.is_panic()) {
            tracing::error!("following changes of Consumers and credentials failed; beginning again");
            people.forget();
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    });
    let store = Arc::downgrade(&database.store);
    handle.spawn(async move {
        loop {
            tokio::time::sleep(cleanup.max(Duration::from_secs(1))).await;
            let Some(store) = store.upgrade() else { return };
            while let Ok(SWEPT..) = store.sweep(SWEPT).await {}
        }
    });
}

/// The migrations of the database that the settings name, with the thread they run on.
pub fn migrations(settings: &Settings, kinds: &Kinds, lock: Duration) -> Result<(Commands, Background), String> {
    let place = place(settings)?;
    let background = start_background()?;
    let blueprint = blueprint(settings, kinds, |keyring| keyring)?;
    Ok((Commands::new(background.handle(), place, &blueprint, lock), background))
}

/// The tables, with the keyring of the settings as `used`.
pub fn blueprint(
    settings: &Settings,
    kinds: &Kinds,
    used: impl FnOnce(Keyring) -> Keyring,
) -> Result<Blueprint, String> {
    let blueprint = Blueprint::of(kinds.catalog().clone(), kinds.definitions());
    let secrets = &settings.storage.keyring;
    if secrets.is_empty() {
        return Ok(blueprint);
    }
    let keyring = Keyring::new(secrets.iter().map(config::Secret::reveal)).map_err(|error| error.to_string())?;
    Ok(blueprint.with_keyring(used(keyring), kinds.definitions().clone()))
}

fn start_background() -> Result<Background, String> {
    Background::start(super::priority::give_way)
        .map_err(|error| format!("a thread for the database cannot be started: {error}"))
}

/// Where the database of these settings is. The file of SQLite is made here, for its owner alone: it holds secrets.
fn place(settings: &Settings) -> Result<store_sql::Database, String> {
    let storage = &settings.storage;
    match storage.database {
        config::Database::Off => Err("there is no database (database = off)".into()),
        config::Database::Sqlite => {
            let path = &storage.sqlite;
            let folder = path.parent().unwrap_or(Path::new("/"));
            let made = std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop));
            made.map_err(|error| format!("could not use the SQLite database {}: {error}", path.display()))?;
            Ok(store_sql::Database::Sqlite(Sqlite::file(path)))
        }
        config::Database::Postgres => Ok(store_sql::Database::Postgres(postgres(&storage.postgres, settings)?)),
    }
}

fn postgres(given: &config::Postgres, settings: &Settings) -> Result<Postgres, String> {
    let tls = match (given.ssl, given.ssl_verify) {
        (false, _) => Tls::Off,
        (true, false) => Tls::Unverified,
        (true, true) => Tls::Verified(authorities(settings)?),
    };
    let pool = given.pool_size.unwrap_or(POOL);
    let size = given.max_concurrent_queries.map_or(pool, |queries| queries.min(pool));
    Ok(Postgres {
        host: given.host.clone(),
        port: given.port,
        database: given.database.clone(),
        schema: given.schema.clone(),
        user: given.user.clone(),
        password: given.password.as_ref().map(|password| password.reveal().to_owned()),
        tls,
        timeout: given.timeout,
        pool_size: u32::try_from(size).unwrap_or(u32::MAX),
        backlog: given.backlog.map(|backlog| u32::try_from(backlog).unwrap_or(u32::MAX)),
        turn: given.max_concurrent_queries.map(|_| given.semaphore_timeout),
        keepalive: given.keepalive_timeout.or(Postgres::default().keepalive),
    })
}

/// `lua_ssl_trusted_certificate` as one file, which is what the driver reads; `None` for the well-known authorities.
fn authorities(settings: &Settings) -> Result<Option<PathBuf>, String> {
    let mut all = String::new();
    for trusted in &settings.outgoing_tls.trusted {
        match trusted {
            Trusted::Pem(pem) => all.push_str(pem.text.reveal()),
            Trusted::System(path) => {
                all.push_str(&std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?);
            }
            Trusted::SystemMissing => continue,
        }
        all.push('\n');
    }
    if all.trim().is_empty() {
        return Ok(None);
    }
    let folder = settings.prefix.join("ssl");
    let path = folder.join("database-authorities.pem");
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, all));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(path))
}

/// The default workspace is there from the beginning, however many nodes begin at once.
async fn begin(store: &dyn Store, kinds: &Kinds) -> Result<(), Error> {
    let id = Id::Uuid(DEFAULT_WORKSPACE);
    if store.get("workspaces", &id).await?.is_some() {
        return Ok(());
    }
    let named = Map::from_iter([
        ("id".to_owned(), Value::from(DEFAULT_WORKSPACE.to_string())),
        ("name".to_owned(), Value::from("default")),
    ]);
    let value = kinds
        .definitions()
        .process_insert("workspaces", named, now())
        .map_err(|_| Error::Unavailable("the default workspace is not valid".to_owned()))?;
    let record = Record { entity: "workspaces", id, ws: None, value, expires: None };
    let batch = Batch { operations: vec![Operation::Insert(record)], author: "start".into(), ..Batch::default() };
    match store.apply(batch).await {
        Ok(_) | Err(Error::PrimaryKey { .. } | Error::Unique { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The default roles and, where nobody is an admin yet and a password is given, the first super admin.
async fn seed(store: &dyn Store, kinds: &Kinds, password: Option<&str>) -> Result<(), Error> {
    // Not of all there is: Consumers may be many.
    let view = store.view_of(&access::KINDS).await?;
    let seeds = access::seeds(kinds.definitions(), &view, password, now())
        .map_err(|fault| Error::Unavailable(format!("the default roles are not valid: {fault}")))?;
    if seeds.operations.is_empty() {
        return Ok(());
    }
    let batch = Batch { operations: seeds.operations, author: "start".into(), ..Batch::default() };
    match store.apply(batch).await {
        // Another node was first.
        Ok(_) | Err(Error::PrimaryKey { .. } | Error::Unique { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
