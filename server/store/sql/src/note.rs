//! Entries of the audit log, and what nodes tell of themselves: they are many, nobody follows them, and in the change log
//! they would push out what others do follow.

use crate::blueprint::Blueprint;
use crate::codec;
use crate::connection::{Connection, Executor};
use crate::failure::unavailable;
use crate::later::Later;
use crate::transaction::Transaction;
use crate::write::{BOUND, into};
use sea_orm::sea_query::OnConflict;
use store::{Error, Record};

/// Kinds of records that are written so.
pub(crate) const UNFOLLOWED: [&str; 3] = ["audit_objects", "audit_requests", "clustering_data_planes"];

/// Adds records, all or none. One that is there already is replaced.
pub(crate) async fn insert(db: &Connection, blueprint: &Blueprint, records: &[Record]) -> Result<(), Error> {
    let backend = db.backend();
    let mut later = Later::default();
    for same in records.chunk_by(|one, other| one.entity == other.entity) {
        let Some(first) = same.first() else { continue };
        let (layout, rules) = blueprint.layout(first.entity)?;
        let width = layout.table.columns.len() + 4;
        for chunk in same.chunks((BOUND / width).clamp(1, 500)) {
            let mut insert = into(layout);
            for record in chunk {
                let cells = codec::encode(layout, rules, record)?;
                insert.values_panic(cells.into_iter().map(|cell| cell.expression(backend)));
            }
            let key = layout.table.key.name.as_str();
            let rest = layout.names().filter(|name| *name != key).map(str::to_owned);
            let insert = insert.on_conflict(OnConflict::column(key.to_owned()).update_columns(rest).to_owned());
            later.push(backend.build(insert));
        }
    }
    let transaction = Transaction::writing(db).await.map_err(unavailable)?;
    transaction.finish(later).await.map(drop).map_err(unavailable)
}
