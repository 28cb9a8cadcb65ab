//! Records to rows and back.
//!
//! A value that its column cannot hold exactly (an object with more than an `id` in a reference, text in a number's field)
//! stays as it is in the column of other fields, which wins when a row is read. So what comes out is what went in.

use crate::blueprint::Layout;
use crate::row::Row;
use crate::sealing::{SEALED, Stored};
use migration::{Column, Kind};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{DbBackend, DbErr, Value as Sql};
use serde_json::{Map, Value};
use std::borrow::Cow;
use store::{Error, Id, Record};
use uuid::Uuid;

/// Under this key the column of other fields lists fields that are missing from a record, rather than null.
const ABSENT: &str = "absent";
const FIELDS: &str = "fields";

/// What one column of one row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null(Kind),
    Uuid(Uuid),
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Json(String),
}

impl Cell {
    /// As an expression for `backend`.
    pub(crate) fn expression(self, backend: DbBackend) -> SimpleExpr {
        let postgres = backend == DbBackend::Postgres;
        match self {
            // Bound as text: the driver would send `jsonb`, which reorders keys.
            Cell::Null(Kind::Json) if postgres => Expr::val(Sql::String(None)).cast_as("json"),
            Cell::Json(text) if postgres => Expr::val(text).cast_as("json"),
            other => Expr::val(other.value()),
        }
    }

    /// As a bound value; not for JSON on PostgreSQL.
    pub(crate) fn value(self) -> Sql {
        match self {
            Cell::Null(Kind::Uuid) => Sql::Uuid(None),
            Cell::Null(Kind::Text | Kind::Json) => Sql::String(None),
            Cell::Null(Kind::Integer) => Sql::BigInt(None),
            Cell::Null(Kind::Number) => Sql::Double(None),
            Cell::Null(Kind::Boolean) => Sql::Bool(None),
            Cell::Uuid(uuid) => uuid.into(),
            Cell::Text(text) | Cell::Json(text) => text.into(),
            Cell::Integer(number) => number.into(),
            Cell::Number(number) => number.into(),
            Cell::Boolean(yes) => yes.into(),
        }
    }
}

/// What stands for a NUL in text, followed by `0`; itself is followed by `1`. PostgreSQL's text has no NUL.
const ESCAPE: char = '\u{E000}';

pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, '1']),
            other => out.push(other),
        }
    }
    out.into()
}

pub(crate) fn unescape(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            ESCAPE => out.push(if chars.next() == Some('0') { '\0' } else { ESCAPE }),
            other => out.push(other),
        }
    }
    out
}

/// The cell of a primary key, or of a reference to one; `None` when no record can have this key.
pub(crate) fn key(kind: Kind, id: &Id) -> Option<Cell> {
    match (kind, id) {
        (Kind::Uuid, Id::Uuid(uuid)) => Some(Cell::Uuid(*uuid)),
        (Kind::Uuid, Id::Text(_)) => None,
        (_, id) => Some(Cell::Text(escape(&id.to_string()).into_owned())),
    }
}

/// The workspace as its column holds it.
pub(crate) fn workspace(ws: Option<Uuid>) -> Cell {
    Cell::Uuid(ws.unwrap_or_default())
}

/// The cell of a value in a column. `None` when the column has no such values.
pub(crate) fn cell(column: &Column, foreign: bool, value: &Value) -> Option<Cell> {
    if foreign {
        let text = match value {
            Value::Null => return Some(Cell::Null(column.kind)),
            Value::String(text) => text,
            other => other.as_object()?.get("id")?.as_str()?,
        };
        return key(column.kind, &Id::parse(text));
    }
    Some(match (column.kind, value) {
        (kind, Value::Null) => Cell::Null(kind),
        (Kind::Uuid, Value::String(text)) => Cell::Uuid(Id::parse(text).uuid()?),
        (Kind::Text, Value::String(text)) => Cell::Text(escape(text).into_owned()),
        (Kind::Integer, Value::Number(number)) => Cell::Integer(number.as_i64()?),
        (Kind::Number, Value::Number(number)) => Cell::Number(number.as_f64()?),
        (Kind::Boolean, Value::Bool(yes)) => Cell::Boolean(*yes),
        (Kind::Json, value) => Cell::Json(value.to_string()),
        _ => return None,
    })
}

/// The value that a cell stands for.
fn value(cell: &Cell, foreign: bool) -> Value {
    let reference = |id: Value| Value::Object(Map::from_iter([("id".to_owned(), id)]));
    match cell {
        Cell::Null(_) => Value::Null,
        Cell::Uuid(uuid) if foreign => reference(uuid.to_string().into()),
        Cell::Text(text) if foreign => reference(unescape(text.clone()).into()),
        Cell::Uuid(uuid) => uuid.to_string().into(),
        Cell::Text(text) => unescape(text.clone()).into(),
        Cell::Integer(number) => (*number).into(),
        // Kong knows one sort of number: 1.0 is written 1.
        Cell::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => (*number as i64).into(),
        Cell::Number(number) => (*number).into(),
        Cell::Boolean(yes) => (*yes).into(),
        // Columns of JSON are read and compared as JSON.
        Cell::Json(text) => text.as_str().into(),
    }
}

fn is_foreign(layout: &Layout, column: &Column) -> bool {
    layout.table.foreign.iter().any(|foreign| foreign.column == column.name)
}

/// Whether the values of a column are references, also to kinds that are not kept here.
pub(crate) fn references(layout: &Layout, rules: &store::Rules, column: &Column) -> bool {
    is_foreign(layout, column) || rules.references.iter().any(|reference| reference.field == column.name)
}

/// The row of a record, in the order of [`Layout::names`].
///
/// # Errors
/// Where its primary key does not suit the kind, or it cannot be encrypted.
pub(crate) fn encode(layout: &Layout, rules: &store::Rules, record: &Record) -> Result<Vec<Cell>, Error> {
    let table = &layout.table;
    let stored = layout.sealing.seal(layout, record)?;
    let fields = stored.as_ref().map_or(&record.value, |stored| &stored.value);
    let mut cells = Vec::with_capacity(table.columns.len() + 4);
    let mut others = Map::new();
    let mut absent = Vec::new();
    let id = key(table.key.kind, &record.id).ok_or_else(|| {
        Error::Unavailable(format!("'{}' cannot be the primary key of a '{}' entity", record.id, record.entity))
    })?;
    if layout.keyed_by_uuid() {
        match fields.get(&table.key.name) {
            Some(written) if *written != value(&id, false) => {
                others.insert(table.key.name.clone(), written.clone());
            }
            Some(_) => {}
            None => absent.push(Value::from(table.key.name.as_str())),
        }
    }
    cells.push(id);
    cells.push(workspace(record.ws));
    for column in &table.columns {
        let Some(written) = fields.get(&column.name) else {
            absent.push(column.name.as_str().into());
            cells.push(Cell::Null(column.kind));
            continue;
        };
        let foreign = references(layout, rules, column);
        let cell = cell(column, foreign, written);
        let exact = match &cell {
            Some(Cell::Json(_)) => true,
            Some(cell) => value(cell, foreign) == *written,
            None => false,
        };
        if !exact {
            others.insert(column.name.clone(), written.clone());
        }
        cells.push(cell.unwrap_or(Cell::Null(column.kind)));
    }
    for (field, value) in fields {
        if layout.column(field).is_none() {
            others.insert(field.clone(), value.clone());
        }
    }
    cells.push(record.expires.map_or(Cell::Null(Kind::Integer), Cell::Integer));
    let mut rest = Map::new();
    if !others.is_empty() {
        rest.insert(FIELDS.to_owned(), Value::Object(others));
    }
    if !absent.is_empty() {
        rest.insert(ABSENT.to_owned(), Value::Array(absent));
    }
    if let Some(Stored { sealed, .. }) = stored {
        rest.insert(SEALED.to_owned(), sealed);
    }
    cells.push(if rest.is_empty() { Cell::Null(Kind::Json) } else { Cell::Json(Value::Object(rest).to_string()) });
    Ok(cells)
}

/// The record of a row whose columns are those of [`Layout::names`].
pub(crate) fn decode(layout: &Layout, rules: &store::Rules, row: &Row, json: bool) -> Result<Record, DbErr> {
    let table = &layout.table;
    let mut fields = Map::new();
    let id = match read(row, 0, table.key.kind)? {
        Cell::Uuid(uuid) => Id::Uuid(uuid),
        Cell::Text(text) => Id::parse(&unescape(text)),
        _ => return Err(DbErr::Type(format!("a '{}' row has no primary key", layout.entity))),
    };
    if layout.keyed_by_uuid() {
        fields.insert(table.key.name.clone(), id.to_string().into());
    }
    let ws: Uuid = row.get(1)?;
    for (index, column) in table.columns.iter().enumerate() {
        let found = match column.kind {
            Kind::Json => read_json(row, index + 2, json)?,
            kind => value(&read(row, index + 2, kind)?, references(layout, rules, column)),
        };
        fields.insert(column.name.clone(), found);
    }
    let expires: Option<i64> = row.get(table.columns.len() + 2)?;
    if let mut rest @ Value::Object(_) = read_json(row, table.columns.len() + 3, json)? {
        if let Some(absent) = rest.get(ABSENT).and_then(Value::as_array) {
            for field in absent.iter().filter_map(Value::as_str) {
                fields.shift_remove(field);
            }
        }
        if let Some(Value::Object(others)) = rest.get_mut(FIELDS).map(Value::take) {
            fields.extend(others);
        }
        if let Some(sealed) = rest.get(SEALED) {
            fields = layout.sealing.open(layout.entity, &id, fields, sealed).map_err(DbErr::Type)?;
        }
    }
    Ok(Record { entity: layout.entity, id, ws: (!ws.is_nil()).then_some(ws), value: fields, expires })
}

/// What is encrypted of a row.
pub(crate) fn sealed(layout: &Layout, row: &Row, json: bool) -> Result<Option<Value>, DbErr> {
    Ok(read_json(row, layout.table.columns.len() + 3, json)?.get_mut(SEALED).map(Value::take))
}

/// Reads a column that is not JSON.
pub(crate) fn read(row: &Row, index: usize, kind: Kind) -> Result<Cell, DbErr> {
    let cell = match kind {
        Kind::Uuid => row.get::<Option<Uuid>>(index)?.map(Cell::Uuid),
        Kind::Text | Kind::Json => row.get::<Option<String>>(index)?.map(Cell::Text),
        Kind::Integer => row.get::<Option<i64>>(index)?.map(Cell::Integer),
        Kind::Number => row.get::<Option<f64>>(index)?.map(Cell::Number),
        Kind::Boolean => row.get::<Option<bool>>(index)?.map(Cell::Boolean),
    };
    Ok(cell.unwrap_or(Cell::Null(kind)))
}

/// Reads a column of JSON. `json`: the database has a type of its own for it.
pub(crate) fn read_json(row: &Row, index: usize, json: bool) -> Result<Value, DbErr> {
    if json {
        return Ok(row.get::<Option<Value>>(index)?.unwrap_or(Value::Null));
    }
    match row.get::<Option<String>>(index)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| DbErr::Json(error.to_string())),
        None => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_survives_escaping(text in "[a\0\u{E000}01]{0,12}") {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.contains('\0'));
            prop_assert_eq!(unescape(escaped), text);
        }
    }
}
