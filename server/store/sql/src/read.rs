//! Reading.

use crate::blueprint::{Blueprint, Layout};
use crate::codec::{self, Cell};
use crate::connection::{Connection, Executor};
use crate::failure::{Fault, unavailable};
use crate::log;
use crate::statement::{alive, column, equals, keyed, rows, within};
use crate::transaction::Transaction;
use migration::{Kind, TAGS, WORKSPACE};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query as Sql, SelectStatement};
use serde_json::Value;
use std::sync::Arc;
use store::{Catalog, Error, Id, Page, Query, Record, Rules, TagFilter, View};
use uuid::Uuid;

/// Rows per step of a search without an index.
const STEP: usize = 1000;

/// Runs a `SELECT` of whole rows.
pub(crate) async fn records<C: Executor>(
    db: &C,
    layout: &Layout,
    rules: &Rules,
    statement: &SelectStatement,
) -> Result<Vec<Arc<Record>>, Fault> {
    let json = db.backend() == DbBackend::Postgres;
    let rows = db.query_all(statement).await?;
    rows.iter().map(|row| Ok(Arc::new(codec::decode(layout, rules, row, json)?))).collect()
}

/// Runs a `SELECT` of one row; whoever waits is woken once.
async fn record<C: Executor>(
    db: &C,
    layout: &Layout,
    rules: &Rules,
    statement: &SelectStatement,
) -> Result<Option<Arc<Record>>, Fault> {
    let json = db.backend() == DbBackend::Postgres;
    let row = db.query_one(statement).await?;
    row.map(|row| Ok(Arc::new(codec::decode(layout, rules, &row, json)?))).transpose()
}

/// The record with a primary key; also one whose time has run out unless `now` is given.
pub(crate) async fn get<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    entity: &str,
    id: &Id,
    now: Option<i64>,
) -> Result<Option<Arc<Record>>, Error> {
    let (layout, rules) = blueprint.layout(entity)?;
    let Some(key) = codec::key(layout.table.key.kind, id) else { return Ok(None) };
    let statement =
        rows(layout).and_where(keyed(layout, key)).and_where_option(now.map(|now| alive(layout, now))).take();
    record(db, layout, rules, &statement).await.map_err(unavailable)
}

/// The record with this value of a field; see [`store::Store::by_unique`]. Also one whose time has run out unless `now` is
/// given.
pub(crate) async fn by_unique<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    entity: &str,
    ws: Option<Uuid>,
    field: &str,
    value: &Value,
    now: Option<i64>,
) -> Result<Option<Arc<Record>>, Error> {
    let (layout, rules) = blueprint.layout(entity)?;
    if value.is_null() {
        return Ok(None);
    }
    let select = || {
        rows(layout)
            .and_where_option(within(layout, ws))
            .and_where_option(now.map(|now| alive(layout, now)))
            .order_by((layout.entity, layout.table.key.name.clone()), Order::Asc)
            .take()
    };
    if let Some(found) = layout.column(field)
        && found.kind != Kind::Json
    {
        let nulls = layout.table.unique.iter().any(|unique| unique.nulls && unique.columns == [field]);
        if let Some(cell) = codec::cell(found, codec::references(layout, rules, found), value) {
            let equal = equals(layout, db.backend(), found, cell, nulls);
            let statement = select().and_where(equal).limit(1).take();
            let found = record(db, layout, rules, &statement).await.map_err(unavailable)?;
            // What is encrypted is not found by its value.
            if found.is_some() || layout.compares(field) || layout.sealing.ids().next().is_none() {
                return Ok(found);
            }
        }
    }
    // A field without an index is searched for.
    let mut after: Option<Cell> = None;
    loop {
        let later = after.take().map(|key| column(layout, &layout.table.key.name).gt(key.value()));
        let statement = select().and_where_option(later).limit(STEP as u64).take();
        let found = records(db, layout, rules, &statement).await.map_err(unavailable)?;
        if let Some(record) = found.iter().find(|record| record.value.get(field) == Some(value)) {
            return Ok(Some(record.clone()));
        }
        match found.last() {
            Some(last) if found.len() == STEP => after = codec::key(layout.table.key.kind, &last.id),
            _ => return Ok(None),
        }
    }
}

/// One page of a kind. Every condition is served by an index that has the primary key at its end, so that a page costs what
/// its rows cost, however large the table.
pub(crate) async fn page<C: Executor>(db: &C, blueprint: &Blueprint, query: &Query, now: i64) -> Result<Page, Error> {
    let (layout, rules) = blueprint.layout(query.entity)?;
    let mut select = rows(layout);
    select.and_where(alive(layout, now));
    if let Some((field, id)) = &query.filter.reference {
        let known = rules.references.iter().any(|reference| reference.field == *field);
        let found = layout.column(field).filter(|_| known);
        let found = found.ok_or_else(|| Error::UnknownEntity(format!("{}.{field}", query.entity)))?;
        let Some(cell) = codec::key(found.kind, id) else { return Ok(Page::default()) };
        select.and_where(column(layout, field).eq(cell.value()));
    }
    let after = match &query.after {
        None => None,
        Some(id) => match codec::key(layout.table.key.kind, id) {
            Some(key) => Some(key),
            // Text sorts after every UUID.
            None => return Ok(Page::default()),
        },
    };
    let limit = query.size.saturating_add(1).min(i64::MAX as usize);
    let mut records = match &query.filter.tags {
        Some(tags) if layout.keyed_by_uuid() => tagged(db, layout, rules, query, tags, select, after, limit).await?,
        Some(tags) => searched(db, layout, rules, query, tags, select, after, limit).await?,
        None => {
            paged(&mut select, layout, query.ws, after, limit);
            self::records(db, layout, rules, &select).await.map_err(unavailable)?
        }
    };
    let more = records.len() > query.size;
    records.truncate(query.size);
    let next = if more { records.last().map(|record| record.id.clone()) } else { None };
    Ok(Page { records, next })
}

fn paged(select: &mut SelectStatement, layout: &Layout, ws: Option<Uuid>, after: Option<Cell>, limit: usize) {
    let key = &layout.table.key.name;
    select
        .and_where_option(within(layout, ws))
        .and_where_option(after.map(|after| column(layout, key).gt(after.value())))
        .order_by((layout.entity, key.clone()), Order::Asc)
        .limit(limit as u64);
}

/// Reads along the index of tags: of the first tag when all are wanted, of each in turn when any will do.
#[allow(clippy::too_many_arguments)]
async fn tagged<C: Executor>(
    db: &C,
    layout: &Layout,
    rules: &Rules,
    query: &Query,
    tags: &TagFilter,
    select: SelectStatement,
    after: Option<Cell>,
    limit: usize,
) -> Result<Vec<Arc<Record>>, Error> {
    let (leading, others): (&[String], &[String]) = match tags {
        TagFilter::All(tags) if tags.is_empty() => {
            let mut select = select;
            paged(&mut select, layout, query.ws, after, limit);
            return records(db, layout, rules, &select).await.map_err(unavailable);
        }
        TagFilter::All(tags) => tags.split_at(1),
        TagFilter::Any(tags) => (tags, &[]),
    };
    let carries = |tag: &str| {
        Expr::col((TAGS, "entity")).eq(layout.entity).and(Expr::col((TAGS, "tag")).eq(codec::escape(tag).into_owned()))
    };
    let mut found: Vec<Arc<Record>> = Vec::new();
    for tag in leading {
        let mut select = select.clone();
        let key = (layout.entity, layout.table.key.name.clone());
        select
            .inner_join(TAGS, Expr::col((TAGS, "record_id")).equals(key.clone()))
            .and_where(carries(tag))
            .and_where_option(after.clone().map(|after| Expr::col((TAGS, "record_id")).gt(after.value())))
            .order_by((TAGS, "record_id"), Order::Asc)
            .limit(limit as u64);
        if layout.workspaced
            && let Some(ws) = query.ws
        {
            select.and_where(Expr::col((TAGS, WORKSPACE)).eq(ws));
        }
        for other in others {
            let there = Sql::select()
                .expr(Expr::val(1_i64))
                .from(TAGS)
                .and_where(carries(other))
                .and_where(Expr::col((TAGS, "record_id")).equals(key.clone()))
                .take();
            select.and_where(Expr::exists(there));
        }
        found.extend(records(db, layout, rules, &select).await.map_err(unavailable)?);
    }
    if leading.len() > 1 {
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        found.truncate(limit);
    }
    Ok(found)
}

/// Reads along the primary key and leaves out what lacks the tags: for kinds that the index of tags does not cover.
#[allow(clippy::too_many_arguments)]
async fn searched<C: Executor>(
    db: &C,
    layout: &Layout,
    rules: &Rules,
    query: &Query,
    tags: &TagFilter,
    select: SelectStatement,
    mut after: Option<Cell>,
    limit: usize,
) -> Result<Vec<Arc<Record>>, Error> {
    let mut found: Vec<Arc<Record>> = Vec::new();
    loop {
        let mut select = select.clone();
        paged(&mut select, layout, query.ws, after.take(), STEP);
        let step = records(db, layout, rules, &select).await.map_err(unavailable)?;
        let (read, last) = (step.len(), step.last().map(|record| record.id.clone()));
        found.extend(step.into_iter().filter(|record| tags.accepts(record)));
        found.truncate(limit);
        match last {
            Some(last) if read == STEP && found.len() < limit => {
                after = codec::key(layout.table.key.kind, &last);
            }
            _ => return Ok(found),
        }
    }
}

/// How many records of a kind a workspace has.
pub(crate) async fn count<C: Executor>(
    db: &C,
    blueprint: &Blueprint,
    entity: &str,
    ws: Uuid,
    now: i64,
) -> Result<usize, Error> {
    let (layout, _) = blueprint.layout(entity)?;
    let statement = Sql::select()
        .expr(Expr::col((layout.entity, layout.table.key.name.clone())).count())
        .from(layout.entity)
        .and_where_option(within(layout, Some(ws)))
        .and_where(alive(layout, now))
        .take();
    let row = db.query_one(&statement).await.map_err(unavailable)?;
    let count: Option<i64> = row.and_then(|row| row.get(0).ok());
    Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Adds everything of a kind. An embedded database is read in steps: others have their turn on this thread between
/// statements.
async fn whole(db: &Transaction, layout: &Layout, rules: &Rules, all: &mut Vec<Arc<Record>>) -> Result<(), Fault> {
    if db.backend() != DbBackend::Sqlite {
        all.extend(records(db, layout, rules, &rows(layout)).await?);
        return Ok(());
    }
    let mut after: Option<Cell> = None;
    loop {
        let mut select = rows(layout);
        paged(&mut select, layout, None, after.take(), STEP);
        let found = records(db, layout, rules, &select).await?;
        after = found.last().and_then(|last| codec::key(layout.table.key.kind, &last.id));
        let step = found.len();
        all.extend(found);
        if step < STEP || after.is_none() {
            return Ok(());
        }
    }
}

/// Everything of the kinds of `catalog` at one moment.
pub(crate) async fn view(db: &Connection, blueprint: &Blueprint, catalog: Arc<Catalog>) -> Result<View, Error> {
    let transaction = Transaction::reading(db).await.map_err(unavailable)?;
    let (revision, _) = log::revision(&transaction).await.map_err(unavailable)?;
    let mut all = Vec::new();
    for rules in catalog.rules() {
        let (layout, rules) = blueprint.layout(rules.entity)?;
        whole(&transaction, layout, rules, &mut all).await.map_err(unavailable)?;
    }
    transaction.commit().await.map_err(unavailable)?;
    Ok(View::kept(catalog, all, revision))
}
