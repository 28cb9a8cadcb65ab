//! What a record needs to know of its surroundings before it is written.

use crate::blueprint::{Blueprint, Layout};
use crate::codec::{self, Cell};
use crate::connection::Executor;
use crate::failure::Fault;
use crate::statement::{column, keyed, rivals};
use crate::transaction::Transaction;
use migration::WORKSPACE;
use sea_orm::DbErr;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use store::{Id, Record, Rules};
use uuid::Uuid;

/// What a record needs to know of its surroundings, by the position of references and unique rules.
pub(crate) struct Probe {
    /// Whether the referenced record is there; `None` when nothing is referenced.
    pub(crate) references: Vec<Option<bool>>,
    /// Who else holds the values.
    pub(crate) holders: Vec<Option<Id>>,
    /// Whether the primary key is taken, where that was asked.
    pub(crate) taken: bool,
}

/// Asks, in one statement, whether what a record points to is there, and who holds its unique values; `key`: also whether
/// its primary key is taken.
pub(crate) async fn probe(
    db: &Transaction,
    blueprint: &Blueprint,
    layout: &Layout,
    rules: &Rules,
    record: &Record,
    key: bool,
) -> Result<Probe, Fault> {
    let backend = db.backend();
    let mut select = Query::select();
    let mut asked = 0;
    let mut ask = |statement: SelectStatement| {
        select.expr_as(SimpleExpr::SubQuery(None, Box::new(statement.into())), format!("q{asked}"));
        asked += 1;
        asked - 1
    };
    let mut probe = Probe { references: vec![None; rules.references.len()], holders: Vec::new(), taken: false };
    let mut references = Vec::new();
    for (index, reference) in rules.references.iter().enumerate() {
        let Some(id) = record.reference(reference.field) else { continue };
        // What is not kept here (a kind that a catalog leaves out) cannot be checked here.
        let Ok((target, _)) = blueprint.layout(reference.entity) else { continue };
        match codec::key(target.table.key.kind, &id) {
            None => probe.references[index] = Some(false),
            Some(key) => {
                let ws = Query::select()
                    .expr(column(target, WORKSPACE))
                    .from(target.entity)
                    .and_where(keyed(target, key))
                    .take();
                references.push((index, ask(ws)));
            }
        }
    }
    let own = codec::key(layout.table.key.kind, &record.id);
    let there = own.clone().filter(|_| key).map(|own| {
        let count = Query::select().expr(Expr::val(1_i64)).from(layout.entity).and_where(keyed(layout, own)).take();
        ask(count)
    });
    let mut holders = Vec::new();
    for rule in 0..rules.unique.len() {
        let Some(conditions) = rivals(layout, rules, backend, rule, record) else { continue };
        let key = column(layout, &layout.table.key.name);
        let mut holder = Query::select().expr(key.clone()).from(layout.entity).limit(1).take();
        for condition in conditions {
            holder.and_where(condition);
        }
        holder.and_where_option(own.clone().map(|own| key.ne(own.value())));
        holders.push((rule, ask(holder)));
    }
    probe.holders = vec![None; rules.unique.len()];
    if asked == 0 {
        return Ok(probe);
    }
    let row = db.query_one(&select).await?;
    let row = row.ok_or_else(|| DbErr::Custom("a query without a table gave no row".to_owned()))?;
    if let Some(answer) = there {
        probe.taken = row.get::<Option<i64>>(answer)?.is_some();
    }
    for (index, answer) in references {
        let found: Option<Uuid> = row.get(answer)?;
        probe.references[index] = Some(found.is_some_and(|ws| ws.is_nil() || record.ws.is_none_or(|own| own == ws)));
    }
    for (rule, answer) in holders {
        probe.holders[rule] = match codec::read(&row, answer, layout.table.key.kind)? {
            Cell::Uuid(uuid) => Some(Id::Uuid(uuid)),
            Cell::Text(text) => Some(Id::parse(&codec::unescape(text))),
            _ => None,
        };
    }
    Ok(probe)
}
