//! The change log's table.

use crate::blueprint::{Blueprint, Layout};
use crate::codec;
use crate::connection::{Connection, Executor};
use crate::failure::{Fault, unavailable};
use crate::later::Later;
use crate::row::Row;
use crate::sealing::SEALED;
use crate::transaction::Transaction;
use migration::{CHANGES, REVISION, WORKSPACE};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SimpleExpr, UpdateStatement};
use sea_orm::{DbBackend, DbErr};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::{Batch, Change, ChangeKind, Error, Id, Record, Revision};
use uuid::Uuid;

/// Rows per `INSERT`.
const CHUNK: usize = 500;
/// In the order in which entries are read.
pub(crate) const COLUMNS: [&str; 10] =
    ["revision", "position", "at", "author", "request_id", "entity", "record_id", WORKSPACE, "before", "after"];

/// Bumps the revision and so takes the place at the head of the line of writers.
pub(crate) async fn bump(transaction: &Transaction) -> Result<Revision, Fault> {
    made(transaction.query_one(&next()).await?)
}

/// Bumps the revision after everything else, where the transaction itself keeps others from writing, and commits.
pub(crate) async fn bump_last(mut later: Later, transaction: Transaction) -> Result<Revision, Fault> {
    later.push(transaction.backend().build(&next()));
    made(transaction.finish(later).await?.pop())
}

fn next() -> UpdateStatement {
    Query::update()
        .table(REVISION)
        .value("revision", Expr::col("revision").add(1_i64))
        .and_where(Expr::col("id").eq(1_i64))
        .returning_col("revision")
        .take()
}

fn made(row: Option<Row>) -> Result<Revision, Fault> {
    let revision: i64 = row.ok_or_else(lost)?.get(0)?;
    Ok(revision.unsigned_abs())
}

fn lost() -> DbErr {
    DbErr::RecordNotFound("the revision's row is gone from the database".to_owned())
}

/// The newest revision, and the newest one whose entries have left the log.
pub(crate) async fn revision<C: Executor>(db: &C) -> Result<(Revision, Revision), Fault> {
    let statement =
        Query::select().columns(["revision", "forgotten"]).from(REVISION).and_where(Expr::col("id").eq(1_i64)).take();
    let row = db.query_one(&statement).await?.ok_or_else(lost)?;
    let (revision, forgotten): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok((revision.unsigned_abs(), forgotten.unsigned_abs()))
}

/// The time as the log keeps it: to the microsecond.
pub(crate) fn now() -> SystemTime {
    let past = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(past.as_micros() as u64)
}

/// What the log got of a batch.
pub(crate) fn entries(revision: Revision, at: SystemTime, batch: &Batch, done: Vec<ChangeKind>) -> Vec<Change> {
    let (author, request_id): (Arc<str>, Arc<str>) = (batch.author.as_str().into(), batch.request_id.as_str().into());
    let entry = |kind| Change { revision, at, author: author.clone(), request_id: request_id.clone(), kind };
    done.into_iter().map(entry).collect()
}

/// Has what a batch did appended. `revision`: `None` where [`bump_last`] follows.
///
/// # Errors
/// Where it cannot be encrypted.
pub(crate) fn append(
    later: &mut Later,
    blueprint: &Blueprint,
    backend: DbBackend,
    revision: Option<Revision>,
    at: SystemTime,
    batch: &Batch,
    done: &[ChangeKind],
) -> Result<(), Error> {
    let at = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_micros() as i64);
    let revision = || match revision {
        Some(revision) => codec::Cell::Integer(revision as i64).expression(backend),
        None => {
            let next = Query::select()
                .expr(Expr::col("revision").add(1_i64))
                .from(REVISION)
                .and_where(Expr::col("id").eq(1_i64))
                .take();
            SimpleExpr::SubQuery(None, Box::new(next.into()))
        }
    };
    let text = |text: &str| codec::Cell::Text(codec::escape(text).into_owned());
    let state = |record: &Option<Arc<Record>>, ws: Option<Uuid>| match record {
        Some(record) => {
            let written = written(blueprint.layout(record.entity)?.0, record, ws)?;
            Ok::<_, Error>(codec::Cell::Json(written.to_string()))
        }
        None => Ok(codec::Cell::Null(migration::Kind::Json)),
    };
    for (chunk, changes) in done.chunks(CHUNK).enumerate() {
        let mut insert = Query::insert().into_table(CHANGES).columns(COLUMNS).take();
        for (index, change) in changes.iter().enumerate() {
            let (entity, id, ws, before, after) = match change {
                ChangeKind::Record { entity, id, ws, before, after } => {
                    (text(entity), text(&id.to_string()), *ws, state(before, *ws)?, state(after, *ws)?)
                }
                ChangeKind::Replaced { before, after } => (
                    codec::Cell::Null(migration::Kind::Text),
                    codec::Cell::Null(migration::Kind::Text),
                    None,
                    codec::Cell::Json(before.to_string()),
                    codec::Cell::Json(after.to_string()),
                ),
            };
            let position = codec::Cell::Integer((chunk * CHUNK + index) as i64);
            let cells = [
                position,
                codec::Cell::Integer(at),
                text(&batch.author),
                text(&batch.request_id),
                entity,
                id,
                codec::workspace(ws),
                before,
                after,
            ];
            let cells = cells.into_iter().map(|cell| cell.expression(backend));
            insert.values_panic(std::iter::once(revision()).chain(cells));
        }
        later.push(backend.build(&insert));
    }
    Ok(())
}

/// A record as an entry has it whose workspace is `ws`.
pub(crate) fn written(layout: &Layout, record: &Record, ws: Option<Uuid>) -> Result<Value, Error> {
    let mut out = match layout.sealing.seal(layout, record)? {
        Some(stored) => json!({"value": stored.value, SEALED: stored.sealed}),
        None => json!({"value": record.value}),
    };
    if let Some(expires) = record.expires {
        out["expires"] = expires.into();
    }
    if record.ws != ws {
        out["ws"] = record.ws.map_or(Value::Null, |ws| ws.to_string().into());
    }
    Ok(out)
}

/// Drops what exceeds `keep` entries, in whole batches. Now and then only: the log may be a little longer.
pub(crate) async fn prune(db: &Connection, revision: Revision, keep: u64) -> Result<(), Fault> {
    if !revision.is_multiple_of((keep / 16).clamp(1, 1024)) {
        return Ok(());
    }
    let transaction = Transaction::writing(db).await?;
    let Some(oldest) = nth(&transaction, None, Order::Desc, Ord::max(keep, 1)).await? else {
        transaction.rollback().await;
        return Ok(());
    };
    // The newest batch stays whole, however large.
    let oldest = Ord::min(oldest, revision as i64 - 1);
    // First, so that nodes which drop at the same moment do it one after the other; who comes later may know less.
    let forget = Query::update()
        .table(REVISION)
        .value("forgotten", oldest)
        .and_where(Expr::col("id").eq(1_i64).and(Expr::col("forgotten").lt(oldest)))
        .take();
    let delete = Query::delete().from_table(CHANGES).and_where(Expr::col("revision").lte(oldest)).take();
    let mut later = Later::default();
    later.push(db.backend().build(&forget));
    later.push(db.backend().build(&delete));
    transaction.finish(later).await.map(drop)
}

/// The revision of the nth entry in an order (the first is 0th), among those that a condition holds for.
async fn nth<C: Executor>(
    db: &C,
    condition: Option<SimpleExpr>,
    order: Order,
    place: u64,
) -> Result<Option<i64>, Fault> {
    let statement = Query::select()
        .column("revision")
        .from(CHANGES)
        .and_where_option(condition)
        .order_by("revision", order.clone())
        .order_by("position", order)
        .limit(1)
        .offset(place)
        .take();
    Ok(db.query_one(&statement).await?.map(|row| row.get(0)).transpose()?)
}

/// The entries that a condition holds for, those of kinds that this release knows; by revision in an order, and by position.
async fn listed<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    condition: SimpleExpr,
    order: Order,
) -> Result<Vec<Change>, Fault> {
    let json = db.backend() == DbBackend::Postgres;
    let entries = Query::select()
        .columns(COLUMNS)
        .from(CHANGES)
        .and_where(condition)
        .order_by("revision", order)
        .order_by("position", Order::Asc)
        .take();
    let rows = db.query_all(&entries).await?;
    rows.iter().filter_map(|row| read(row, blueprint, json).transpose()).collect()
}

fn place(limit: usize) -> u64 {
    limit.clamp(1, i64::MAX as usize) as u64 - 1
}

/// Changes after a revision in whole batches, at least one; no further batch once `limit` entries are reached.
pub(crate) async fn after<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    revision: Revision,
    limit: usize,
) -> Result<Vec<Change>, Error> {
    let later = Expr::col("revision").gt(i64::try_from(revision).unwrap_or(i64::MAX));
    let last = nth(db, Some(later.clone()), Order::Asc, place(limit)).await.map_err(unavailable)?;
    let wanted = later.and(Expr::col("revision").lte(last.unwrap_or(i64::MAX)));
    let changes = listed(db, blueprint, wanted, Order::Asc).await.map_err(unavailable)?;
    // Read after the entries: what left the log meanwhile is noticed here.
    let (newest, forgotten) = self::revision(db).await.map_err(unavailable)?;
    if revision < forgotten || revision > newest {
        // A position beyond the newest is one of another life of this database, before it was reset or restored.
        return Err(Error::Forgotten { oldest: forgotten });
    }
    Ok(changes)
}

/// Changes up to a revision in whole batches, the newest first, at least one; no further batch once `limit` entries are
/// reached.
pub(crate) async fn until<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    revision: Revision,
    limit: usize,
) -> Result<Vec<Change>, Error> {
    let earlier = Expr::col("revision").lte(i64::try_from(revision).unwrap_or(i64::MAX));
    let first = nth(db, Some(earlier.clone()), Order::Desc, place(limit)).await.map_err(unavailable)?;
    let wanted = earlier.and(Expr::col("revision").gte(first.unwrap_or(0)));
    listed(db, blueprint, wanted, Order::Desc).await.map_err(unavailable)
}

/// Text of an entry.
fn text(row: &Row, index: usize) -> Result<Option<String>, Fault> {
    Ok(row.get::<Option<String>>(index)?.map(codec::unescape))
}

/// A state of a record in an entry.
pub(crate) struct State<'b> {
    /// The column it is in.
    pub(crate) column: &'static str,
    pub(crate) layout: &'b Layout,
    /// The entry's workspace.
    pub(crate) ws: Option<Uuid>,
    pub(crate) record: Record,
    /// What is encrypted of it.
    pub(crate) sealed: Option<Value>,
}

/// The states of a record that an entry has; none for a kind that this release does not know.
pub(crate) fn states<'b>(
    row: &Row,
    blueprint: &'b Blueprint,
    json: bool,
) -> Result<impl Iterator<Item = State<'b>>, Fault> {
    let entity = text(row, 5)?.unwrap_or_default();
    let mut states = Vec::new();
    if let Ok((layout, _)) = blueprint.layout(&entity) {
        let id = Id::parse(&text(row, 6)?.unwrap_or_default());
        let ws: Uuid = row.get(7)?;
        let ws = (!ws.is_nil()).then_some(ws);
        for (index, column) in [(8, "before"), (9, "after")] {
            if let Some((record, sealed)) = recorded(layout, &id, ws, codec::read_json(row, index, json)?)? {
                states.push(State { column, layout, ws, record, sealed });
            }
        }
    }
    Ok(states.into_iter())
}

/// `None` for a kind that this release does not know.
fn read(row: &Row, blueprint: &Blueprint, json: bool) -> Result<Option<Change>, Fault> {
    let kind = match text(row, 5)? {
        None => {
            let count = |index: usize| {
                codec::read_json(row, index, json).map(|value| value.as_u64().unwrap_or_default() as usize)
            };
            ChangeKind::Replaced { before: count(8)?, after: count(9)? }
        }
        Some(entity) => {
            let Ok((_, rules)) = blueprint.layout(&entity) else { return Ok(None) };
            let id = Id::parse(&text(row, 6)?.unwrap_or_default());
            let ws: Uuid = row.get(7)?;
            let (mut before, mut after) = (None, None);
            for state in states(row, blueprint, json)? {
                let there = if state.column == "before" { &mut before } else { &mut after };
                *there = Some(Arc::new(state.record));
            }
            ChangeKind::Record { entity: rules.entity, ws: (!ws.is_nil()).then_some(ws), before, after, id }
        }
    };
    let (revision, at): (i64, i64) = (row.get(0)?, row.get(2)?);
    Ok(Some(Change {
        revision: revision.unsigned_abs(),
        at: SystemTime::UNIX_EPOCH + Duration::from_micros(at.unsigned_abs()),
        author: text(row, 3)?.unwrap_or_default().into(),
        request_id: text(row, 4)?.unwrap_or_default().into(),
        kind,
    }))
}

/// The record of a state, and what is encrypted of it.
fn recorded(
    layout: &Layout,
    id: &Id,
    ws: Option<Uuid>,
    mut state: Value,
) -> Result<Option<(Record, Option<Value>)>, Fault> {
    let sealed = state.get_mut(SEALED).map(Value::take);
    let Some(Value::Object(mut value)) = state.get_mut("value").map(Value::take) else { return Ok(None) };
    if let Some(sealed) = &sealed {
        value = layout.sealing.open(layout.entity, id, value, sealed).map_err(DbErr::Type)?;
    }
    let ws = match state.get("ws") {
        None => ws,
        Some(other) => other.as_str().and_then(|text| Uuid::try_parse(text).ok()),
    };
    let expires = state.get("expires").and_then(Value::as_i64);
    Ok(Some((Record { entity: layout.entity, id: id.clone(), ws, value, expires }, sealed)))
}
