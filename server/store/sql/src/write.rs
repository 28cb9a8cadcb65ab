//! Applying a batch: one transaction.

use crate::blueprint::{Blueprint, Layout};
use crate::codec;
use crate::connection::{Connection, Executor};
use crate::failure::{Fault, sentence, unavailable, values, violation};
use crate::later::Later;
use crate::probe::{Probe, probe};
use crate::statement::{column, keyed, rows};
use crate::transaction::Transaction;
use crate::{log, read};
use migration::{TAGS, WORKSPACE};
use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, Order, Query};
use sea_orm::{DbBackend, Statement};
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Batch, Change, ChangeKind, Error, Id, OnDelete, Operation, Precondition, Record, Revision, Rules, View};
use uuid::Uuid;

/// Values bound per `INSERT` at most; SQLite takes 32766, PostgreSQL 65535.
pub(crate) const BOUND: usize = 30_000;

/// What a writer needs besides the batch.
pub(crate) struct Context<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) blueprint: &'a Blueprint,
    /// How many entries of the change log are kept.
    pub(crate) keep: u64,
    /// The channel for telling other nodes; PostgreSQL only.
    pub(crate) channel: Option<&'a str>,
    /// Unix seconds.
    pub(crate) now: i64,
}

/// Applies a batch: all of it, or nothing and an error. Gives what the change log got, too.
pub(crate) async fn apply(context: &Context<'_>, mut batch: Batch) -> Result<(Revision, Vec<Change>), Error> {
    let transaction = Transaction::writing(context.db).await.map_err(unavailable)?;
    let mut writer = Writer {
        backend: transaction.backend(),
        db: &transaction,
        blueprint: context.blueprint,
        now: context.now,
        done: Vec::new(),
        later: Later::default(),
    };
    let at = log::now();
    let taken = writer.run(context, &mut batch, at).await;
    let Writer { done, later, .. } = writer;
    let ended = match taken {
        Ok(Some(revision)) => transaction.finish(later).await.map(|_| revision),
        Ok(None) => log::bump_last(later, transaction).await,
        Err(failure) => {
            transaction.rollback().await;
            match failure {
                Failure::Refused(error) => return Err(error),
                Failure::Database(error) => Err(error),
            }
        }
    };
    let revision = ended.map_err(|error| refused(context, error, &done))?;
    if let Err(error) = log::prune(context.db, revision, context.keep).await {
        // Another time: what was asked for is done.
        tracing::warn!(cause = sentence(&error), "old entries stay in the change log");
    }
    Ok((revision, log::entries(revision, at, &batch, done)))
}

fn refused(context: &Context<'_>, error: Fault, done: &[ChangeKind]) -> Error {
    let written = done.iter().filter_map(|change| match change {
        ChangeKind::Record { after: Some(record), .. } => Some(record.clone()),
        _ => None,
    });
    violation(context.blueprint, error, &written.collect::<Vec<_>>())
}

/// Why a step did not succeed.
enum Failure {
    Refused(Error),
    Database(Fault),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Refused(error)
    }
}

impl From<Fault> for Failure {
    fn from(error: Fault) -> Failure {
        Failure::Database(error)
    }
}

struct Writer<'a> {
    db: &'a Transaction,
    backend: DbBackend,
    blueprint: &'a Blueprint,
    now: i64,
    /// What was done, or is about to be by what waits in `later`.
    done: Vec<ChangeKind>,
    /// Written before anything is read.
    later: Later,
}

impl Writer<'_> {
    /// Does what the batch asks for, but for what is left in `later`. Gives the revision where it is known by now.
    async fn run(
        &mut self,
        context: &Context<'_>,
        batch: &mut Batch,
        at: SystemTime,
    ) -> Result<Option<Revision>, Failure> {
        // First of all: from here on no one else writes until this transaction ends. SQLite's begins with that lock.
        let taken = match self.backend {
            DbBackend::Sqlite => None,
            _ => Some(log::bump(self.db).await?),
        };
        for precondition in &batch.preconditions {
            self.check(precondition, taken).await?;
        }
        for operation in std::mem::take(&mut batch.operations) {
            self.operate(operation).await?;
        }
        log::append(&mut self.later, self.blueprint, self.backend, taken, at, batch, &self.done)?;
        if let Some(channel) = context.channel {
            let text = "SELECT pg_notify($1, '')";
            self.later.push(Statement::from_sql_and_values(self.backend, text, [channel.into()]));
        }
        Ok(taken)
    }

    /// `taken`: the revision that this transaction makes, where it is known by now.
    async fn check(&self, precondition: &Precondition, taken: Option<Revision>) -> Result<(), Failure> {
        let refusal = match precondition {
            Precondition::Version(revision) => {
                let newest = match taken {
                    Some(taken) => taken - 1,
                    None => log::revision(self.db).await?.0,
                };
                (newest > *revision).then(|| format!("revision {revision} is no longer the newest"))
            }
            Precondition::Unchanged(record) => {
                let found = read::get(self.db, self.blueprint, record.entity, &record.id, None).await?;
                let same = found.is_some_and(|found| found == *record);
                (!same).then(|| format!("the '{}' entity {} was changed", record.entity, record.id))
            }
            Precondition::Unique { entity, ws, field, value } => {
                let found = read::by_unique(self.db, self.blueprint, entity, *ws, field, value, None);
                found.await?.map(|_| format!("a '{entity}' entity with {field} {value} exists"))
            }
            Precondition::Reference { entity, id } => {
                let found = read::get(self.db, self.blueprint, entity, id, None).await?;
                found.is_none().then(|| format!("the '{entity}' entity {id} is gone"))
            }
        };
        refusal.map_or(Ok(()), |text| Err(Error::Precondition(text).into()))
    }

    async fn operate(&mut self, operation: Operation) -> Result<(), Failure> {
        match operation {
            Operation::Insert(record) => self.put(record, Before::Nothing).await,
            Operation::Update(record) => match self.get(record.entity, &record.id).await? {
                None => Err(Error::Missing { entity: record.entity, id: record.id }.into()),
                found => self.put(record, Before::Read(found)).await,
            },
            Operation::Upsert(record) => {
                let found = self.get(record.entity, &record.id).await?;
                self.put(record, Before::Read(found)).await
            }
            Operation::Delete { entity, id } => self.delete(entity, &id).await,
            Operation::ReplaceAll(records) => self.replace(records).await,
        }
    }

    /// Writes a record in the place of `before`, after the checks that keep the rules.
    async fn put(&mut self, record: Record, before: Before) -> Result<(), Failure> {
        let (layout, rules) = self.blueprint.layout(record.entity)?;
        let probe = self.probe(layout, rules, &record, matches!(before, Before::Nothing)).await?;
        let mut before = match before {
            Before::Read(found) => found,
            Before::Nothing if !probe.taken => None,
            Before::Nothing => {
                let found = self.get(record.entity, &record.id).await?;
                if found.as_ref().is_some_and(|found| !found.expired(self.now)) {
                    return Err(Error::PrimaryKey { entity: record.entity, id: record.id }.into());
                }
                found
            }
        };
        let mut expired = Vec::new();
        for (unique, holder) in rules.unique.iter().zip(probe.holders) {
            let Some(holder) = holder else { continue };
            let found = self.get(record.entity, &holder).await?;
            if found.is_some_and(|found| !found.expired(self.now)) {
                let fields = values(&unique.fields, &record);
                return Err(Error::Unique { entity: rules.entity, fields, holder }.into());
            }
            expired.push(holder);
        }
        // Told after a value that is taken, as databases do: their constraints on references are checked last.
        for (reference, there) in rules.references.iter().zip(&probe.references) {
            if let Some(false) = there
                && let Some(id) = record.reference(reference.field)
            {
                let (entity, field, reference) = (rules.entity, reference.field, reference.entity);
                return Err(Error::Foreign { entity, field, reference, id }.into());
            }
        }
        for holder in expired {
            // It was only waiting to be swept.
            self.delete(rules.entity, &holder).await?;
            if before.is_some() {
                // What goes with the holder may be the record itself.
                before = self.get(record.entity, &record.id).await?;
            }
        }
        self.write(layout, rules, Arc::new(record), before)
    }

    /// The record with a primary key as this transaction sees it; also one whose time has run out.
    async fn get(&mut self, entity: &str, id: &Id) -> Result<Option<Arc<Record>>, Failure> {
        self.later.run(self.db).await?;
        Ok(read::get(self.db, self.blueprint, entity, id, None).await?)
    }

    /// See [`probe`].
    async fn probe(&mut self, layout: &Layout, rules: &Rules, record: &Record, key: bool) -> Result<Probe, Failure> {
        self.later.run(self.db).await?;
        Ok(probe(self.db, self.blueprint, layout, rules, record, key).await?)
    }

    fn write(
        &mut self,
        layout: &Layout,
        rules: &Rules,
        record: Arc<Record>,
        before: Option<Arc<Record>>,
    ) -> Result<(), Failure> {
        let cells = codec::encode(layout, rules, &record)?;
        if before.is_some() {
            let mut update = Query::update().table(layout.entity).take();
            if let Some(key) = cells.first() {
                update.and_where(keyed(layout, key.clone()));
            }
            let named = layout.names().map(str::to_owned).zip(cells).skip(1);
            update.values(named.map(|(name, cell)| (name, cell.expression(self.backend))));
            self.later.push(self.backend.build(&update));
        } else {
            let mut insert = into(layout);
            insert.values_panic(cells.into_iter().map(|cell| cell.expression(self.backend)));
            self.later.push(self.backend.build(&insert));
        }
        self.tag(layout, before.as_deref(), Some(&record));
        self.done.push(ChangeKind::Record {
            entity: rules.entity,
            id: record.id.clone(),
            ws: record.ws,
            before,
            after: Some(record),
        });
        Ok(())
    }

    /// Keeps the index of tags in step with a record.
    fn tag(&mut self, layout: &Layout, before: Option<&Record>, after: Option<&Record>) {
        type Carried<'r> = BTreeSet<(Uuid, &'r str)>;
        fn carried(record: Option<&Record>) -> Carried<'_> {
            let ws = record.and_then(|record| record.ws).unwrap_or_default();
            record.into_iter().flat_map(Record::tags).map(|tag| (ws, tag)).collect()
        }
        let (old, new) = (carried(before), carried(after));
        let Some(id) = before.or(after).and_then(|record| record.id.uuid()) else { return };
        if old == new || !layout.keyed_by_uuid() {
            return;
        }
        if !old.is_empty() {
            let delete = Query::delete()
                .from_table(TAGS)
                .and_where(Expr::col("record_id").eq(id))
                .and_where(Expr::col("entity").eq(layout.entity))
                .take();
            self.later.push(self.backend.build(&delete));
        }
        let rows: Vec<_> = new.into_iter().map(|(ws, tag)| (layout.entity, tag, ws, id)).collect();
        self.insert_tags(&rows);
    }

    fn insert_tags(&mut self, rows: &[(&'static str, &str, Uuid, Uuid)]) {
        for chunk in rows.chunks(BOUND / 4) {
            let mut insert = Query::insert().into_table(TAGS).columns(["entity", "tag", WORKSPACE, "record_id"]).take();
            for (entity, tag, ws, id) in chunk {
                let tag = codec::escape(tag).into_owned();
                insert.values_panic([(*entity).into(), tag.into(), (*ws).into(), (*id).into()]);
            }
            self.later.push(self.backend.build(&insert));
        }
    }

    fn delete<'s>(
        &'s mut self,
        entity: &'static str,
        id: &'s Id,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 's>> {
        Box::pin(async move {
            let Some(removed) = self.get(entity, id).await? else { return Ok(()) };
            let blueprint = self.blueprint;
            let (layout, _) = blueprint.layout(entity)?;
            let Some(key) = codec::key(layout.table.key.kind, id) else { return Ok(()) };
            let delete = Query::delete().from_table(layout.entity).and_where(keyed(layout, key)).take();
            self.later.push(self.backend.build(&delete));
            self.tag(layout, Some(&removed), None);
            // Removed first: records that point to each other do not keep one another alive.
            for (rules, reference) in blueprint.catalog().pointing_to(entity) {
                for child in self.children(rules, reference.field, id).await? {
                    match reference.on_delete {
                        OnDelete::Restrict if !child.expired(self.now) => {
                            let by = rules.entity;
                            return Err(Error::Referenced { entity: removed.entity, id: id.clone(), by }.into());
                        }
                        OnDelete::Restrict | OnDelete::Cascade => self.delete(rules.entity, &child.id).await?,
                        OnDelete::Null => {
                            let mut changed = Record::clone(&child);
                            changed.value.insert(reference.field.to_owned(), Value::Null);
                            let layout = blueprint.layout(rules.entity)?.0;
                            let probe = self.probe(layout, rules, &changed, false).await?;
                            // Two that differed by what they pointed to may now be alike.
                            for (unique, holder) in rules.unique.iter().zip(probe.holders) {
                                if let Some(holder) = holder {
                                    let fields = values(&unique.fields, &changed);
                                    return Err(Error::Unique { entity: rules.entity, fields, holder }.into());
                                }
                            }
                            self.write(layout, rules, Arc::new(changed), Some(child))?;
                        }
                    }
                }
            }
            let ws = removed.ws;
            self.done.push(ChangeKind::Record { entity, id: id.clone(), ws, before: Some(removed), after: None });
            Ok(())
        })
    }

    async fn children(&mut self, rules: &Rules, field: &str, id: &Id) -> Result<Vec<Arc<Record>>, Failure> {
        let (layout, rules) = self.blueprint.layout(rules.entity)?;
        let Some(found) = layout.column(field) else { return Ok(Vec::new()) };
        let Some(cell) = codec::key(found.kind, id) else { return Ok(Vec::new()) };
        let statement = rows(layout)
            .and_where(column(layout, field).eq(cell.value()))
            .order_by((layout.entity, layout.table.key.name.clone()), Order::Asc)
            .take();
        self.later.run(self.db).await?;
        Ok(read::records(self.db, layout, rules, &statement).await?)
    }

    async fn replace(&mut self, records: Vec<Record>) -> Result<(), Failure> {
        // The rules are checked in memory, where the whole fits by definition of the operation.
        let view = View::of(self.blueprint.catalog().clone(), records, 0)?;
        self.later.run(self.db).await?;
        let mut before = 0;
        for layout in self.blueprint.layouts() {
            before += self.db.execute(&Query::delete().from_table(layout.entity).take()).await? as usize;
        }
        self.db.execute(&Query::delete().from_table(TAGS).take()).await?;
        for (layout, rules) in self.blueprint.layouts().iter().zip(self.blueprint.catalog().rules()) {
            let width = layout.table.columns.len() + 4;
            let all: Vec<&Arc<Record>> = view.all(rules.entity).collect();
            for chunk in all.chunks((BOUND / width).clamp(1, 500)) {
                let mut insert = into(layout);
                let mut tags = Vec::new();
                for record in chunk {
                    let cells = codec::encode(layout, rules, record)?;
                    insert.values_panic(cells.into_iter().map(|cell| cell.expression(self.backend)));
                    let distinct: BTreeSet<&str> = record.tags().collect();
                    if let (true, Some(id)) = (layout.keyed_by_uuid(), record.id.uuid()) {
                        let ws = record.ws.unwrap_or_default();
                        tags.extend(distinct.into_iter().map(|tag| (layout.entity, tag, ws, id)));
                    }
                }
                self.db.execute(&insert).await?;
                self.insert_tags(&tags);
                self.later.run(self.db).await?;
            }
        }
        // Whoever follows the log starts anew here; what came before in this batch no longer matters.
        self.done.clear();
        self.done.push(ChangeKind::Replaced { before, after: view.len() });
        Ok(())
    }
}

/// What is known of the record in whose place another comes.
enum Before {
    /// There must be none that is alive.
    Nothing,
    /// It was looked for.
    Read(Option<Arc<Record>>),
}

pub(crate) fn into(layout: &Layout) -> InsertStatement {
    Query::insert().into_table(layout.entity).columns(layout.names().map(str::to_owned)).take()
}
