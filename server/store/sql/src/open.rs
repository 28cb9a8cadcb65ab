//! Opening a store: connect, look at the database's state, set it up if it is empty.

use crate::blueprint::Blueprint;
use crate::codec::{self, Cell};
use crate::connect::{Database, Pools, Postgres, Sqlite, connect};
use crate::connection::{Connection, Executor};
use crate::embedded::{Place, patiently};
use crate::failure::{Fault, OpenError, sentence};
use crate::log;
use crate::sealing::{KEY, SEALED, unknown};
use migration::{Migrations, REST};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SimpleExpr};
use serde_json::Value;
use sqlx::ConnectOptions;
use std::time::Duration;
use store::Revision;

/// How a store is opened and kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which database.
    pub database: Database,
    /// Whether an empty database is set up; if not, it is refused.
    pub bootstrap: bool,
    /// How long to wait for another node that migrates.
    pub lock_timeout: Duration,
    /// `db_update_frequency`: how often the revision is looked at. On PostgreSQL notifications come sooner.
    pub poll: Duration,
    /// How many entries of the change log are kept, about.
    pub log_entries: u64,
}

impl Settings {
    /// The usual settings for a database.
    pub fn new(database: Database) -> Settings {
        Settings {
            database,
            bootstrap: true,
            lock_timeout: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            log_entries: 100_000,
        }
    }
}

/// Connects, and sets up an empty database. Returns the newest revision.
pub(crate) async fn prepare(settings: &Settings, blueprint: &Blueprint) -> Result<(Pools, Revision), OpenError> {
    let database = &settings.database;
    reach(database).await?;
    let pools = connect(database, None)?;
    let migrations = Migrations::new(blueprint.tables(), database.schema().map(str::to_owned));
    let mut state = migrations.state(&pools.orm).await?;
    if state.needs_bootstrap {
        if !settings.bootstrap {
            return Err(OpenError::NeedsBootstrap);
        }
        bootstrap(settings, &migrations, &pools).await?;
        state = migrations.state(&pools.orm).await?;
    }
    if !state.pending.is_empty() {
        return Err(OpenError::PendingMigrations);
    }
    if !state.new.is_empty() {
        return Err(OpenError::NewMigrations);
    }
    let unavailable = |error| OpenError::Unavailable { database: database.shown(), cause: sentence(&error) };
    let (revision, _) = log::revision(&pools.write).await.map_err(unavailable)?;
    if let Some(cause) = unreadable(&pools.write, blueprint).await.map_err(unavailable)? {
        return Err(OpenError::Sealed { database: database.shown(), cause });
    }
    pools.migrated().await;
    Ok((pools, revision))
}

/// Rows of a table that are looked at when a store is opened: whoever encrypts does so everywhere. What is found later
/// says the same.
const LOOKED_AT: u64 = 1_000;

/// Which entity cannot be read with the keys there are, and why.
async fn unreadable(db: &Connection, blueprint: &Blueprint) -> Result<Option<String>, Fault> {
    let postgres = db.backend() == DbBackend::Postgres;
    for layout in blueprint.layouts() {
        let columns = [layout.table.key.name.clone(), REST.to_owned()];
        let some = Query::select()
            .columns(columns.clone())
            .from(layout.entity)
            .order_by(columns[0].clone(), Order::Desc)
            .limit(LOOKED_AT)
            .take();
        let text = || {
            let rest = Expr::col(REST);
            if postgres { SimpleExpr::from(rest.cast_as("text")) } else { rest }
        };
        // As it is written: the key stands first.
        let marked = |id: &str| format!("%\"{SEALED}\":{{\"{KEY}\":\"{id}%");
        let mut select = Query::select().columns(columns).from_subquery(some, "some").limit(1).take();
        select.and_where(text().like(marked("")));
        for id in layout.sealing.ids() {
            select.and_where(text().not_like(marked(id)));
        }
        let Some(row) = db.query_one(&select).await? else { continue };
        let id = match codec::read(&row, 0, layout.table.key.kind)? {
            Cell::Uuid(uuid) => uuid.to_string(),
            Cell::Text(text) => codec::unescape(text),
            _ => String::new(),
        };
        let rest = codec::read_json(&row, 1, postgres)?;
        let key = rest.pointer(&format!("/{SEALED}/{KEY}")).and_then(Value::as_str).unwrap_or_default();
        return Ok(Some(format!("the '{}' entity {id} {}", layout.entity, unknown(key))));
    }
    Ok(None)
}

/// Sets up an empty database once, whoever else starts at the same moment.
async fn bootstrap(settings: &Settings, migrations: &Migrations, pools: &Pools) -> Result<(), OpenError> {
    let database = &settings.database;
    let processed = match database {
        // The lock of SQLite is waited for as long as the connection says: a connection with more patience.
        Database::Sqlite(to) if to.path.is_some() => {
            let patient = connect(database, Some(settings.lock_timeout))?;
            let processed = migrations.bootstrap(&patient.orm, settings.lock_timeout).await;
            patient.close().await;
            processed?
        }
        _ => migrations.bootstrap(&pools.orm, settings.lock_timeout).await?,
    };
    if processed.executed.is_empty() {
        tracing::info!(database = database.shown(), "another node set up the database");
    } else {
        tracing::info!(database = database.shown(), "set up an empty database");
    }
    Ok(())
}

/// Connects once outside of a pool, for an error that says what is wrong: a pool would only say that time ran out.
pub(crate) async fn reach(database: &Database) -> Result<(), OpenError> {
    match database {
        Database::Sqlite(to) => reach_file(to, database).await,
        Database::Postgres(to) => reach_server(to, database).await,
    }
}

/// Makes a file what the connections want, a database with a write-ahead log. SQLite does not wait for another process
/// that does so at the same moment, whatever time-out a connection has, and SeaORM's would fail.
async fn reach_file(to: &Sqlite, database: &Database) -> Result<(), OpenError> {
    if to.path.is_none() {
        return Ok(());
    }
    let place = Place::new(to.path.clone());
    patiently(to.busy_timeout, || place.open()).await.map(drop).map_err(|fault| {
        let (database, cause) = (database.shown(), sentence(&fault));
        if fault.is_busy() {
            return OpenError::Unavailable { database, cause };
        }
        OpenError::Unusable { database, cause }
    })
}

async fn reach_server(to: &Postgres, database: &Database) -> Result<(), OpenError> {
    let failed = |cause: String| OpenError::Unavailable { database: database.shown(), cause };
    let pools = connect(database, None)?;
    let Some(pool) = pools.listen.clone() else { return Ok(()) };
    let reached = tokio::time::timeout(to.timeout, pool.connect_options().connect()).await;
    match reached {
        Err(_) => Err(failed(format!("no connection within {} ms", to.timeout.as_millis()))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(connection)) => {
            // Only a courtesy to the server.
            let _ = sqlx::Connection::close(connection).await;
            pools.close().await;
            Ok(())
        }
    }
}
