//! The records of one kind with their indexes.

use crate::catalog::{Rules, Unique};
use crate::record::{Id, Record, key_part};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;

/// A unique index' key: the workspace (nil when the rule spans all) and the values as text.
type Key = (Uuid, Box<str>);

/// The records of one kind, by primary key, with an index per [`Unique`] rule and per reference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<Id, Arc<Record>>,
    unique: Vec<HashMap<Key, Id, foldhash::fast::RandomState>>,
    // (referenced, referencing) for each reference of the rules.
    children: Vec<BTreeSet<(Id, Id)>>,
}

impl Table {
    pub(crate) fn new(rules: &Rules) -> Table {
        Table {
            rows: BTreeMap::new(),
            unique: vec![HashMap::default(); rules.unique.len()],
            children: vec![BTreeSet::new(); rules.references.len()],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Arc<Record>> {
        self.rows.get(id)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.rows.values()
    }

    /// Records after a primary key, ascending.
    pub(crate) fn after(&self, id: Option<&Id>) -> impl Iterator<Item = &Arc<Record>> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range::<Id, _>((from, Bound::Unbounded)).map(|(_, record)| record)
    }

    /// Records whose reference number `reference` points to `id`, ascending, after a primary key.
    pub(crate) fn children<'a>(
        &'a self,
        reference: usize,
        id: &Id,
        after: Option<&Id>,
    ) -> impl Iterator<Item = &'a Arc<Record>> + use<'a> {
        let parent = id.clone();
        let from = match after {
            Some(after) => Bound::Excluded((id.clone(), after.clone())),
            None => Bound::Included((id.clone(), Id::Uuid(Uuid::nil()))),
        };
        self.children
            .get(reference)
            .into_iter()
            .flat_map(move |set| set.range((from.clone(), Bound::Unbounded)))
            .take_while(move |(referenced, _)| *referenced == parent)
            .filter_map(|(_, child)| self.rows.get(child))
    }

    /// Who has these values of the unique rule number `rule`.
    pub(crate) fn holder(&self, rules: &Rules, rule: usize, record: &Record) -> Option<&Id> {
        let key = key(&rules.unique[rule], record.ws, &record.value)?;
        self.unique[rule].get(&key)
    }

    /// The record with this value of a field, through an index when a rule names that field alone.
    pub(crate) fn by_field(&self, rules: &Rules, ws: Option<Uuid>, field: &str, value: &Value) -> Option<&Arc<Record>> {
        if value.is_null() {
            return None;
        }
        let index = rules.unique.iter().position(|unique| unique.fields == [field]);
        if let Some(index) = index
            && (ws.is_some() || !rules.workspaced || rules.unique[index].across_workspaces)
        {
            let unique = &rules.unique[index];
            let mut values = Map::new();
            values.insert(field.to_owned(), value.clone());
            let holder = self.unique[index].get(&key(unique, ws, &values)?)?;
            // A rule across workspaces may find a record of another one.
            return self.rows.get(holder).filter(|record| ws.is_none() || record.ws.is_none() || record.ws == ws);
        }
        self.rows.values().find(|record| {
            (ws.is_none() || record.ws.is_none() || record.ws == ws) && record.value.get(field) == Some(value)
        })
    }

    /// Adds a record, or replaces the one with its primary key. The caller has checked uniqueness.
    pub(crate) fn put(&mut self, rules: &Rules, record: Arc<Record>) -> Option<Arc<Record>> {
        let before = self.remove(rules, &record.id);
        for (index, unique) in rules.unique.iter().enumerate() {
            if let Some(key) = key(unique, record.ws, &record.value) {
                self.unique[index].insert(key, record.id.clone());
            }
        }
        for (index, reference) in rules.references.iter().enumerate() {
            if let Some(id) = record.reference(reference.field) {
                self.children[index].insert((id, record.id.clone()));
            }
        }
        self.rows.insert(record.id.clone(), record);
        before
    }

    pub(crate) fn remove(&mut self, rules: &Rules, id: &Id) -> Option<Arc<Record>> {
        let record = self.rows.remove(id)?;
        for (index, unique) in rules.unique.iter().enumerate() {
            if let Some(key) = key(unique, record.ws, &record.value)
                && self.unique[index].get(&key) == Some(id)
            {
                self.unique[index].remove(&key);
            }
        }
        for (index, reference) in rules.references.iter().enumerate() {
            if let Some(target) = record.reference(reference.field) {
                self.children[index].remove(&(target, id.clone()));
            }
        }
        Some(record)
    }
}

/// The index key of `value` under a rule; `None` when the rule does not apply (a null among its fields).
fn key(unique: &Unique, ws: Option<Uuid>, value: &Map<String, Value>) -> Option<Key> {
    let mut text = String::new();
    for field in &unique.fields {
        match value.get(*field) {
            None | Some(Value::Null) if !unique.nulls => return None,
            None | Some(Value::Null) => text.push('n'),
            // Lengths keep two neighbouring values from being read as two others.
            Some(other) => match key_part(other) {
                Some(part) => {
                    let _ = write!(text, "t{}:{part}", part.len());
                }
                None => {
                    let _ = write!(text, "v{other}");
                }
            },
        }
    }
    let scope = if unique.across_workspaces { None } else { ws };
    Some((scope.unwrap_or_default(), text.into()))
}
