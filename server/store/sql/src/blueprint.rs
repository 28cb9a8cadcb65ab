//! Which table and which columns a kind has.

use crate::keyring::Keyring;
use crate::sealing::Sealing;
use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use migration::{Column, EXPIRES, Foreign, Kind, REST, Table, Unique, WORKSPACE};
use schema::Record;
use std::sync::Arc;
use store::{Catalog, Error, Rules};

/// The column of a primary key that is not one UUID.
const KEY: &str = "primary_key";

/// One kind: its table, and where its fields are.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) entity: &'static str,
    pub(crate) table: Table,
    /// Whether records belong to workspaces.
    pub(crate) workspaced: bool,
    /// What encrypts its secrets.
    pub(crate) sealing: Arc<Sealing>,
}

impl Layout {
    /// Whether the primary key is a UUID in a field `id`.
    pub(crate) fn keyed_by_uuid(&self) -> bool {
        self.table.key.kind == Kind::Uuid
    }

    /// The column of a field.
    pub(crate) fn column(&self, field: &str) -> Option<&Column> {
        if self.keyed_by_uuid() && field == self.table.key.name {
            return Some(&self.table.key);
        }
        self.table.columns.iter().find(|column| column.name == field)
    }

    /// Whether the database compares the values of a field: it is the key, a reference, or in a unique rule.
    pub(crate) fn compares(&self, field: &str) -> bool {
        let table = &self.table;
        field == table.key.name
            || table.foreign.iter().any(|foreign| foreign.column == field)
            || table.unique.iter().any(|unique| unique.columns.iter().any(|column| column == field))
    }

    /// The names of all columns, in the order in which rows are read and written.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        [self.table.key.name.as_str(), WORKSPACE]
            .into_iter()
            .chain(self.table.columns.iter().map(|column| column.name.as_str()))
            .chain([EXPIRES, REST])
    }
}

/// The tables of every kind of a catalog.
#[derive(Debug)]
pub struct Blueprint {
    catalog: Arc<Catalog>,
    // By the position of the kind in the catalog.
    layouts: Vec<Layout>,
}

impl Blueprint {
    /// Tables with the columns that the definitions of entities give: scalars, references and unique fields typed, all
    /// others JSON. They do not depend on the router's flavour or on the plugins that are enabled, so changing those needs
    /// no migration; only kinds that a plugin brings along are taken from the node's own `given`.
    pub fn of(catalog: Arc<Catalog>, given: &Definitions) -> Blueprint {
        let flavors = [Flavor::TraditionalCompatible, Flavor::Traditional, Flavor::Expressions];
        let definitions =
            flavors.map(|flavor| Definitions::new(PluginSchemas::default(), VaultSchemas::default(), flavor, true));
        let known = |entity: &str| {
            let known: Vec<_> = definitions.iter().filter_map(|all| all.entity(entity)).collect();
            if known.is_empty() { given.entity(entity).into_iter().collect() } else { known }
        };
        Blueprint::with(
            catalog,
            |entity| known(entity).into_iter().map(|entity| entity.record.clone()).collect(),
            |entity| known(entity).first().and_then(|entity| entity.plugin),
        )
    }

    /// Tables for kinds without definitions: fields that a rule of the catalog names have columns, others share one.
    pub fn bare(catalog: Arc<Catalog>) -> Blueprint {
        Blueprint::with(catalog, |_| Vec::new(), |_| None)
    }

    /// Tables for a catalog, with the records that define the fields of a kind (all their fields get columns) and the
    /// plugin that owns a kind.
    pub fn with(
        catalog: Arc<Catalog>,
        records: impl Fn(&str) -> Vec<Arc<Record>>,
        owner: impl Fn(&str) -> Option<&'static str>,
    ) -> Blueprint {
        let keys: Vec<Column> = catalog.rules().iter().map(|rules| key(rules, &records(rules.entity))).collect();
        let layouts = catalog
            .rules()
            .iter()
            .zip(&keys)
            .map(|(rules, key)| {
                let fields = records(rules.entity);
                let columns = columns(rules, key, &fields, |entity| catalog.position(entity).map(|index| &keys[index]));
                let unique = rules.unique.iter().map(|unique| Unique {
                    columns: unique.fields.iter().map(|field| (*field).to_owned()).collect(),
                    across_workspaces: unique.across_workspaces || !rules.workspaced,
                    nulls: unique.nulls,
                });
                // What is not kept here cannot be checked here.
                let foreign = rules.references.iter().filter_map(|reference| {
                    let key = &keys[catalog.position(reference.entity)?];
                    Some(Foreign {
                        column: reference.field.to_owned(),
                        table: reference.entity.to_owned(),
                        key: key.name.clone(),
                    })
                });
                let table = Table {
                    namespace: owner(rules.entity).unwrap_or("core").to_owned(),
                    name: rules.entity.to_owned(),
                    key: key.clone(),
                    columns,
                    unique: unique.collect(),
                    foreign: foreign.collect(),
                };
                Layout { entity: rules.entity, table, workspaced: rules.workspaced, sealing: Arc::default() }
            })
            .collect();
        Blueprint { catalog, layouts }
    }

    /// The same tables, with what `definitions` say is secret encrypted by a keyring.
    #[must_use]
    pub fn with_keyring(mut self, keyring: Keyring, definitions: Arc<Definitions>) -> Blueprint {
        let sealing = Arc::new(Sealing::new(keyring, definitions));
        self.layouts.iter_mut().for_each(|layout| layout.sealing = sealing.clone());
        self
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The tables, in the order of the catalog.
    pub fn tables(&self) -> Vec<Table> {
        self.layouts.iter().map(|layout| layout.table.clone()).collect()
    }

    pub(crate) fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    pub(crate) fn layout(&self, entity: &str) -> Result<(&Layout, &Rules), Error> {
        let index = self.catalog.position(entity).ok_or_else(|| Error::UnknownEntity(entity.to_owned()))?;
        Ok((&self.layouts[index], &self.catalog.rules()[index]))
    }
}

fn key(rules: &Rules, fields: &[Arc<Record>]) -> Column {
    let uuid = rules.primary_key == ["id"]
        && fields.iter().all(|record| record.get("id").is_none_or(|field| field.rules().uuid));
    match uuid {
        true => Column { name: "id".to_owned(), kind: Kind::Uuid },
        false => Column { name: KEY.to_owned(), kind: Kind::Text },
    }
}

fn columns<'k>(
    rules: &Rules,
    key: &Column,
    records: &[Arc<Record>],
    key_of: impl Fn(&str) -> Option<&'k Column>,
) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |name: &str, kind: Kind| {
        let taken = [key.name.as_str(), WORKSPACE, EXPIRES, REST].contains(&name);
        if !taken && !columns.iter().any(|column| column.name == name) {
            columns.push(Column { name: name.to_owned(), kind });
        }
    };
    let foreign = |entity: &str| key_of(entity).map_or(Kind::Uuid, |key| key.kind);
    for field in records.iter().flat_map(|record| record.fields()) {
        if field.is_transient() {
            continue;
        }
        let kind = match field.kind() {
            schema::Kind::String => Kind::Text,
            schema::Kind::Integer => Kind::Integer,
            schema::Kind::Number => Kind::Number,
            schema::Kind::Boolean => Kind::Boolean,
            schema::Kind::Foreign { reference, .. } => foreign(reference),
            _ => Kind::Json,
        };
        add(field.name(), kind);
    }
    for reference in &rules.references {
        add(reference.field, foreign(reference.entity));
    }
    // Without a definition, unique values are taken for text.
    for field in rules.unique.iter().flat_map(|unique| &unique.fields) {
        add(field, Kind::Text);
    }
    columns
}
