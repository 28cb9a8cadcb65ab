//! Bringing what is stored in line with the keyring: what is in clear text is encrypted, and what an older key encrypted
//! is encrypted with the first one; or everything is decrypted.

use crate::blueprint::{Blueprint, Layout};
use crate::codec::{self, Cell};
use crate::connection::{Connection, Executor};
use crate::failure::Fault;
use crate::log;
use crate::statement::{column, keyed, rows};
use crate::transaction::Transaction;
use migration::{CHANGES, REVISION};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sea_orm::{DbBackend, DbErr, Statement};
use serde_json::Value;
use store::{Record, Rules};

/// Rows per transaction: writers of other nodes wait for each.
const STEP: u64 = 200;

/// How many rows there are of a kind, in the table or in the change log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// With something encrypted, as it should be.
    pub(crate) fine: usize,
    /// Not as they should be.
    pub(crate) other: usize,
}

/// Looks at everything, and rewrites what is not as it should be where `write` says so. By kind, in the order of the
/// catalog; the change log last.
pub(crate) async fn rewrite(
    db: &Connection,
    blueprint: &Blueprint,
    write: bool,
) -> Result<Vec<(String, Tally)>, Fault> {
    let mut all = Vec::new();
    for (layout, rules) in blueprint.layouts().iter().zip(blueprint.catalog().rules()) {
        let mut tally = Tally::default();
        let mut after: Option<Cell> = None;
        while let Some(last) = step(db, layout, rules, after.take(), write, &mut tally).await? {
            after = Some(last);
        }
        all.push((layout.entity.to_owned(), tally));
    }
    let mut tally = Tally::default();
    let mut after = (-1, -1);
    while let Some(last) = entries(db, blueprint, after, write, &mut tally).await? {
        after = last;
    }
    all.push(("the change log".to_owned(), tally));
    if write && db.backend() == DbBackend::Sqlite {
        // What was there before is still in pages that nobody uses, and in the write-ahead log.
        db.execute_text("VACUUM").await?;
        db.execute_text("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    Ok(all)
}

/// A transaction to look at some rows, and where `write` says so to rewrite them: nobody else writes then.
async fn begin(db: &Connection, write: bool) -> Result<Transaction, Fault> {
    if !write {
        return Transaction::reading(db).await;
    }
    let transaction = Transaction::writing(db).await?;
    if transaction.backend() == DbBackend::Postgres {
        let text = format!("SELECT revision FROM {REVISION} WHERE id = 1 FOR UPDATE");
        transaction.run(Statement::from_string(DbBackend::Postgres, text)).await?;
    }
    Ok(transaction)
}

/// The next rows of a kind; gives the key of the last one, where there may be more.
async fn step(
    db: &Connection,
    layout: &Layout,
    rules: &Rules,
    after: Option<Cell>,
    write: bool,
    tally: &mut Tally,
) -> Result<Option<Cell>, Fault> {
    let transaction = begin(db, write).await?;
    let backend = transaction.backend();
    let key = &layout.table.key;
    let select = rows(layout)
        .and_where_option(after.map(|after| column(layout, &key.name).gt(after.value())))
        .order_by((layout.entity, key.name.clone()), Order::Asc)
        .limit(STEP)
        .take();
    let found = transaction.query_all(&select).await?;
    let mut last = None;
    for row in &found {
        let json = backend == DbBackend::Postgres;
        let record = codec::decode(layout, rules, row, json)?;
        let own = codec::read(row, 0, key.kind)?;
        if count(codec::sealed(layout, row, json)?, layout, &record, tally) && write {
            let cells = codec::encode(layout, rules, &record).map_err(|error| DbErr::Type(error.to_string()))?;
            let mut update = Query::update().table(layout.entity).and_where(keyed(layout, own.clone())).take();
            let named = layout.names().map(str::to_owned).zip(cells).skip(1);
            update.values(named.map(|(name, cell)| (name, cell.expression(backend))));
            transaction.execute(&update).await?;
        }
        last = Some(own);
    }
    transaction.commit().await?;
    Ok(last.filter(|_| found.len() as u64 == STEP))
}

/// Counts a record; whether it is not as it should be.
fn count(is: Option<Value>, layout: &Layout, record: &Record, tally: &mut Tally) -> bool {
    let wanted = layout.sealing.wanted(layout, record);
    match (is == wanted, wanted.is_some()) {
        (true, true) => tally.fine += 1,
        (true, false) => {}
        (false, _) => tally.other += 1,
    }
    is != wanted
}

/// The next entries of the change log; gives the place of the last one, where there may be more.
async fn entries(
    db: &Connection,
    blueprint: &Blueprint,
    after: (i64, i64),
    write: bool,
    tally: &mut Tally,
) -> Result<Option<(i64, i64)>, Fault> {
    let transaction = begin(db, write).await?;
    let backend = transaction.backend();
    let (revision, position) = after;
    let later = Expr::col("revision")
        .gt(revision)
        .or(Expr::col("revision").eq(revision).and(Expr::col("position").gt(position)));
    let select = Query::select()
        .columns(log::COLUMNS)
        .from(CHANGES)
        .and_where(later)
        .order_by("revision", Order::Asc)
        .order_by("position", Order::Asc)
        .limit(STEP)
        .take();
    let found = transaction.query_all(&select).await?;
    let mut last = None;
    for row in &found {
        let place: (i64, i64) = (row.get(0)?, row.get(1)?);
        last = Some(place);
        let states = log::states(row, blueprint, backend == DbBackend::Postgres)?;
        let mut update = Query::update().table(CHANGES).take();
        let mut changed = false;
        for state in states {
            if count(state.sealed, state.layout, &state.record, tally) && write {
                let text = log::written(state.layout, &state.record, state.ws);
                let text = text.map_err(|error| DbErr::Type(error.to_string()))?.to_string();
                update.value(state.column, Cell::Json(text).expression(backend));
                changed = true;
            }
        }
        if changed {
            update.and_where(Expr::col("revision").eq(place.0)).and_where(Expr::col("position").eq(place.1));
            transaction.execute(&update).await?;
        }
    }
    transaction.commit().await?;
    Ok(last.filter(|_| found.len() as u64 == STEP))
}
