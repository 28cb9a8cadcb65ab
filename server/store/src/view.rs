//! Everything at one moment.

use crate::Revision;
use crate::catalog::{Catalog, Rules};
use crate::changes::{Change, ChangeKind};
use crate::engine::{Page, Query};
use crate::error::Error;
use crate::record::{Id, Record};
use crate::table::Table;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// An immutable state of the store. Cheap to clone: tables are shared until one of the copies changes.
#[derive(Clone, Debug)]
pub struct View {
    catalog: Arc<Catalog>,
    tables: Vec<Arc<Table>>,
    revision: Revision,
}

impl View {
    /// Nothing at all, at revision 0.
    pub fn empty(catalog: Arc<Catalog>) -> View {
        let tables = catalog.rules().iter().map(|rules| Arc::new(Table::new(rules))).collect();
        View { catalog, tables, revision: 0 }
    }

    /// A state made of `records`, checked as a whole.
    pub fn of(catalog: Arc<Catalog>, records: Vec<Record>, revision: Revision) -> Result<View, Error> {
        let mut view = View::empty(catalog);
        view.fill(records)?;
        view.revision = revision;
        Ok(view)
    }

    /// A state as an engine has kept it: the records were checked when they were written.
    pub fn kept(catalog: Arc<Catalog>, records: impl IntoIterator<Item = Arc<Record>>, revision: Revision) -> View {
        let mut view = View::empty(catalog);
        for record in records {
            view.set(record.entity, Some(record), None);
        }
        view.revision = revision;
        view
    }

    /// The state at `revision`, after `changes`, which must be all from this state's revision to that one. `None` when
    /// everything was replaced: whoever needs the state then reads it anew.
    pub fn followed(&self, changes: &[Change], revision: Revision) -> Option<View> {
        let mut view = self.clone();
        view.revision = revision;
        for change in changes {
            let ChangeKind::Record { entity, id, after, .. } = &change.kind else { return None };
            view.set(entity, after.clone(), Some(id));
        }
        Some(view)
    }

    /// The same state as someone sees it who knows more than is stored: these records in the place of those of the same
    /// keys, or without them. Nothing is checked.
    pub fn seen_with(&self, changes: impl IntoIterator<Item = (&'static str, Id, Option<Record>)>) -> View {
        let mut view = self.clone();
        for (entity, id, record) in changes {
            view.set(entity, record.map(Arc::new), Some(&id));
        }
        view
    }

    /// Puts or removes one record without checks.
    fn set(&mut self, entity: &str, record: Option<Arc<Record>>, id: Option<&Id>) {
        let Some(index) = self.catalog.position(entity) else { return };
        let rules = &self.catalog.rules()[index];
        let table = Arc::make_mut(&mut self.tables[index]);
        match (record, id) {
            (Some(record), _) => drop(table.put(rules, record)),
            (None, Some(id)) => drop(table.remove(rules, id)),
            (None, None) => {}
        }
    }

    /// The rules the records keep.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The revision this state belongs to.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.len() == 0)
    }

    /// How many records of a kind there are.
    pub fn count(&self, entity: &str) -> usize {
        self.table(entity).map_or(0, Table::len)
    }

    /// All records of a kind, by ascending primary key. An unknown kind has none.
    pub fn all(&self, entity: &str) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.table(entity).into_iter().flat_map(Table::iter)
    }

    /// The record with this primary key.
    pub fn get(&self, entity: &str, id: &Id) -> Option<&Arc<Record>> {
        self.table(entity)?.get(id)
    }

    /// The record with this value of a field; see [`crate::Store::by_unique`].
    pub fn by_unique(&self, entity: &str, ws: Option<Uuid>, field: &str, value: &Value) -> Option<&Arc<Record>> {
        let index = self.catalog.position(entity)?;
        self.tables[index].by_field(&self.catalog.rules()[index], ws, field, value)
    }

    /// The records of `entity` whose `field` points to `id`, by ascending primary key.
    pub fn children<'a>(
        &'a self,
        entity: &str,
        field: &str,
        id: &Id,
    ) -> impl Iterator<Item = &'a Arc<Record>> + use<'a> {
        let found = self.catalog.position(entity).and_then(|index| {
            let reference =
                self.catalog.rules()[index].references.iter().position(|reference| reference.field == field)?;
            Some((index, reference))
        });
        let id = id.clone();
        found.into_iter().flat_map(move |(index, reference)| self.tables[index].children(reference, &id, None))
    }

    /// One page of a kind; records that expired before `now` (Unix seconds) are left out.
    pub fn page(&self, query: &Query, now: i64) -> Result<Page, Error> {
        let index = self.catalog.position(query.entity).ok_or_else(|| Error::UnknownEntity(query.entity.to_owned()))?;
        let (rules, table) = (&self.catalog.rules()[index], &self.tables[index]);
        let wanted = |record: &&Arc<Record>| {
            !record.expired(now)
                && (query.ws.is_none() || record.ws.is_none() || record.ws == query.ws)
                && query.filter.tags.as_ref().is_none_or(|tags| tags.accepts(record))
        };
        let after = query.after.as_ref();
        let mut records: Vec<Arc<Record>> = match &query.filter.reference {
            Some((field, id)) => {
                let Some(reference) = rules.references.iter().position(|reference| reference.field == *field) else {
                    return Err(Error::UnknownEntity(format!("{}.{field}", query.entity)));
                };
                table
                    .children(reference, id, after)
                    .filter(wanted)
                    .take(query.size.saturating_add(1))
                    .cloned()
                    .collect()
            }
            None => table.after(after).filter(wanted).take(query.size.saturating_add(1)).cloned().collect(),
        };
        let more = records.len() > query.size;
        records.truncate(query.size);
        let next = if more { records.last().map(|record| record.id.clone()) } else { None };
        Ok(Page { records, next })
    }

    pub(crate) fn table(&self, entity: &str) -> Option<&Table> {
        self.catalog.position(entity).map(|index| &*self.tables[index])
    }

    pub(crate) fn rules(&self, entity: &str) -> Result<(usize, &Rules), Error> {
        let index = self.catalog.position(entity).ok_or_else(|| Error::UnknownEntity(entity.to_owned()))?;
        Ok((index, &self.catalog.rules()[index]))
    }

    pub(crate) fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Adds or replaces one record after checking uniqueness; references are checked apart.
    pub(crate) fn put(&mut self, record: Arc<Record>) -> Result<Option<Arc<Record>>, Error> {
        let (index, _) = self.rules(record.entity)?;
        let rules = &self.catalog.rules()[index];
        let table = &self.tables[index];
        for (position, unique) in rules.unique.iter().enumerate() {
            if let Some(holder) = table.holder(rules, position, &record)
                && *holder != record.id
            {
                let fields: Map<String, Value> = unique
                    .fields
                    .iter()
                    .map(|field| ((*field).to_owned(), record.value.get(*field).cloned().unwrap_or(Value::Null)))
                    .collect();
                return Err(Error::Unique { entity: rules.entity, fields, holder: holder.clone() });
            }
        }
        Ok(Arc::make_mut(&mut self.tables[index]).put(rules, record))
    }

    pub(crate) fn remove(&mut self, entity: &str, id: &Id) -> Result<Option<Arc<Record>>, Error> {
        let (index, _) = self.rules(entity)?;
        let rules = &self.catalog.rules()[index];
        if self.tables[index].get(id).is_none() {
            return Ok(None);
        }
        Ok(Arc::make_mut(&mut self.tables[index]).remove(rules, id))
    }

    /// Checks that every foreign field of `record` points to a record of the same workspace.
    pub(crate) fn check_references(&self, record: &Record) -> Result<(), Error> {
        let (_, rules) = self.rules(record.entity)?;
        for reference in &rules.references {
            let Some(id) = record.reference(reference.field) else { continue };
            // What is not kept here (a kind that a catalog leaves out) cannot be checked here.
            let Some(table) = self.table(reference.entity) else { continue };
            let there =
                table.get(&id).is_some_and(|found| found.ws.is_none() || record.ws.is_none() || found.ws == record.ws);
            if !there {
                return Err(Error::Foreign {
                    entity: rules.entity,
                    field: reference.field,
                    reference: reference.entity,
                    id,
                });
            }
        }
        Ok(())
    }

    fn fill(&mut self, records: Vec<Record>) -> Result<(), Error> {
        let records: Vec<Arc<Record>> = records.into_iter().map(Arc::new).collect();
        for record in &records {
            let (index, rules) = self.rules(record.entity)?;
            if self.tables[index].get(&record.id).is_some() {
                return Err(Error::PrimaryKey { entity: rules.entity, id: record.id.clone() });
            }
            self.put(record.clone())?;
        }
        records.iter().try_for_each(|record| self.check_references(record))
    }
}
