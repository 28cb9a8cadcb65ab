//! Pieces of statements over a kind's table.

use crate::blueprint::Layout;
use crate::codec::{self, Cell};
use migration::{Column, EXPIRES, WORKSPACE};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use serde_json::Value;
use store::{Record, Rules};
use uuid::Uuid;

/// A column of a kind's table.
pub(crate) fn column(layout: &Layout, name: &str) -> Expr {
    Expr::col((layout.entity, name.to_owned()))
}

/// `SELECT` of whole rows.
pub(crate) fn rows(layout: &Layout) -> SelectStatement {
    Query::select().columns(layout.names().map(|name| (layout.entity, name.to_owned()))).from(layout.entity).take()
}

/// The row of a primary key.
pub(crate) fn keyed(layout: &Layout, key: Cell) -> SimpleExpr {
    column(layout, &layout.table.key.name).eq(key.value())
}

/// Rows of this workspace; all rows of a kind that has none.
pub(crate) fn within(layout: &Layout, ws: Option<Uuid>) -> Option<SimpleExpr> {
    let ws = ws.filter(|_| layout.workspaced)?;
    Some(column(layout, WORKSPACE).eq(codec::workspace(Some(ws)).value()))
}

/// Rows whose time has not run out.
pub(crate) fn alive(layout: &Layout, now: i64) -> SimpleExpr {
    column(layout, EXPIRES).is_null().or(column(layout, EXPIRES).gt(now))
}

/// Rows with this value in a column, in the form that the index of a rule in which nulls count can serve.
pub(crate) fn equals(layout: &Layout, backend: DbBackend, name: &Column, cell: Cell, nulls: bool) -> SimpleExpr {
    let column = column(layout, &name.name);
    if nulls && backend == DbBackend::Sqlite {
        let indexed = Expr::cust_with_exprs("ifnull(?, x'')", [column]);
        return match cell {
            Cell::Null(_) => indexed.eq(Expr::cust("x''")),
            cell => indexed.eq(cell.value()),
        };
    }
    match cell {
        Cell::Null(_) => column.is_null(),
        cell => column.eq(cell.value()),
    }
}

/// The rows that hold the values of a record in a unique rule, whoever they belong to; `None` when the rule does not apply.
pub(crate) fn rivals(
    layout: &Layout,
    rules: &Rules,
    backend: DbBackend,
    rule: usize,
    record: &Record,
) -> Option<Vec<SimpleExpr>> {
    let unique = &layout.table.unique[rule];
    let mut conditions = Vec::new();
    if !unique.across_workspaces {
        conditions.push(column(layout, WORKSPACE).eq(codec::workspace(record.ws).value()));
    }
    for field in &unique.columns {
        let column = layout.column(field)?;
        let value = record.value.get(field).unwrap_or(&Value::Null);
        if value.is_null() && !unique.nulls {
            return None;
        }
        let cell = codec::cell(column, codec::references(layout, rules, column), value)?;
        conditions.push(equals(layout, backend, column, cell, unique.nulls));
    }
    Some(conditions)
}
