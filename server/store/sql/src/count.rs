//! Counters that nodes share: records with a number, added to without a place in the change log, which nobody needs for
//! them and which they would fill.

use crate::blueprint::Blueprint;
use crate::codec;
use crate::connection::{Connection, Executor};
use crate::failure::unavailable;
use crate::later::Later;
use crate::statement::column;
use crate::transaction::Transaction;
use migration::EXPIRES;
use sea_orm::DbErr;
use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Query};
use store::{Error, Record};

/// The field that counts.
const VALUE: &str = "value";
/// Kinds of records that are counters.
pub(crate) const COUNTERS: [&str; 2] = ["quota_counters", "ratelimiting_metrics"];

/// One counter.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Its record as it is where nothing was there: with what is to be added.
    pub first: Record,
    /// How many units it may hold.
    pub limit: u64,
}

/// What is added to counters, all of it or nothing. Rows are locked in one order by everyone, so that no two who count wait
/// for each other.
pub(crate) async fn add(db: &Connection, blueprint: &Blueprint, mut counters: Vec<Counter>) -> Result<(), Error> {
    counters.sort_by(|a, b| a.first.id.cmp(&b.first.id));
    let mut later = Later::default();
    for counter in &counters {
        later.push(db.backend().build(&addition(blueprint, counter, db)?));
    }
    let transaction = Transaction::writing(db).await.map_err(unavailable)?;
    transaction.finish(later).await.map(drop).map_err(unavailable)
}

/// Takes one unit of every counter, or of none. Tells whether it did, and how many units each held before.
pub(crate) async fn take(
    db: &Connection,
    blueprint: &Blueprint,
    counters: &[Counter],
) -> Result<(bool, Vec<u64>), Error> {
    let statements =
        counters.iter().map(|counter| addition(blueprint, counter, db)).collect::<Result<Vec<_>, Error>>()?;
    let transaction = Transaction::writing(db).await.map_err(unavailable)?;
    let mut used = vec![0; counters.len()];
    let mut granted = true;
    let mut order: Vec<usize> = (0..counters.len()).collect();
    order.sort_by(|a, b| counters[*a].first.id.cmp(&counters[*b].first.id));
    for index in order {
        let row = transaction.query_one(&statements[index]).await.map_err(unavailable)?;
        let row = row.ok_or_else(|| unavailable(DbErr::RecordNotFound("a counter is gone".to_owned())))?;
        let value: i64 = row.get(0).map_err(unavailable)?;
        // What was given back after its row was swept leaves one below nothing.
        used[index] = u64::try_from(value - 1).unwrap_or(0);
        granted &= used[index] < counters[index].limit;
    }
    if granted {
        transaction.commit().await.map_err(unavailable)?;
    } else {
        transaction.rollback().await;
    }
    Ok((granted, used))
}

/// Removes records whose time has run out at `now`, in Unix seconds; the change log does not tell.
pub(crate) async fn sweep(db: &Connection, entity: &'static str, now: i64) -> Result<(), Error> {
    let over = Expr::col((entity, EXPIRES)).lte(now);
    let delete = Query::delete().from_table(entity).and_where(over).take();
    db.execute(&delete).await.map(drop).map_err(unavailable)
}

fn addition(blueprint: &Blueprint, counter: &Counter, db: &Connection) -> Result<InsertStatement, Error> {
    let (layout, rules) = blueprint.layout(counter.first.entity)?;
    let cells = codec::encode(layout, rules, &counter.first)?;
    let backend = db.backend();
    let again = OnConflict::column(layout.table.key.name.clone())
        .value(VALUE, column(layout, VALUE).add(Expr::col(("excluded", VALUE))))
        .to_owned();
    let mut insert = Query::insert().into_table(layout.entity).columns(layout.names().map(str::to_owned)).take();
    insert.values_panic(cells.into_iter().map(|cell| cell.expression(backend)));
    Ok(insert.on_conflict(again).returning_col(VALUE).take())
}
