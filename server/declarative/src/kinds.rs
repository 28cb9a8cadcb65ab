//! The kinds of entities as files and paths name them, made from a node's definitions.

use entities::{Definitions, Entity};
use schema::{Errors, Map, Record, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::Catalog;

/// What may stand as a list within an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Entities of another kind, whose `field` points to the one they stand in.
    Entities {
        /// Their kind.
        kind: usize,
        /// Their foreign field.
        field: &'static str,
    },
    /// The names of a Consumer's groups, or of a group's Consumers: each stands for a membership.
    Memberships {
        /// The kind of the memberships.
        kind: usize,
        /// Their field that points to the entity they stand in.
        field: &'static str,
        /// Their field that the name goes to.
        other: &'static str,
    },
}

/// One kind of entity.
#[derive(Debug)]
pub struct Kind {
    /// Its plural name.
    pub name: &'static str,
    /// The fields of its primary key.
    pub primary_key: Vec<&'static str>,
    /// Whether the primary key is the field `id`.
    pub has_id: bool,
    /// The field that may stand for the id.
    pub endpoint: Option<&'static str>,
    /// Whether that field is unique by itself.
    pub endpoint_unique: bool,
    /// Whether its entities belong to workspaces.
    pub workspaced: bool,
    /// Whether its entities may expire.
    pub ttl: bool,
    /// Its path at the Admin API, if it has one.
    pub path: Option<&'static str>,
    /// Its path below another entity, if it has one.
    pub nested_path: Option<&'static str>,
    /// Whether it goes into exports.
    pub exported: bool,
    /// Its foreign fields and the kinds they point to.
    pub references: Vec<(&'static str, usize)>,
    /// What may stand within it, by the list's name.
    pub children: BTreeMap<&'static str, Child>,
    /// The fields that an id is made of.
    pub(crate) identity: Vec<&'static str>,
}

impl Kind {
    /// The kind a foreign field points to.
    pub fn reference(&self, field: &str) -> Option<usize> {
        self.references.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
    }

    /// What a list of this name within an entity holds.
    pub fn child(&self, name: &str) -> Option<&Child> {
        self.children.get(name)
    }
}

/// Every kind but tags.
#[derive(Debug)]
pub struct Kinds {
    definitions: Arc<Definitions>,
    catalog: Arc<Catalog>,
    kinds: Vec<Kind>,
    by_name: HashMap<&'static str, usize, foldhash::fast::RandomState>,
}

impl Kinds {
    /// The kinds of a node's definitions.
    pub fn new(definitions: Arc<Definitions>) -> Kinds {
        let catalog = Arc::new(Catalog::of(&definitions));
        let mut kinds: Vec<Kind> = Vec::new();
        for rules in catalog.rules() {
            let Some(entity) = definitions.entity(rules.entity) else { continue };
            let references = rules
                .references
                .iter()
                .filter_map(|found| Some((found.field, catalog.position(found.entity)?)))
                .collect();
            kinds.push(kind(entity, references));
        }
        for index in 0..kinds.len() {
            for (field, parent) in kinds[index].references.clone() {
                let name = kinds[index].name;
                // A stored field of the parent wins over a list of that name.
                let parent_entity = definitions.entity(kinds[parent].name);
                let own = parent_entity.and_then(|parent| parent.record.get(name));
                let taken = own.is_some_and(|field| !field.is_transient());
                if !taken {
                    kinds[parent].children.entry(name).or_insert(Child::Entities { kind: index, field });
                }
            }
        }
        let by_name: HashMap<&'static str, usize, _> =
            kinds.iter().enumerate().map(|(index, kind)| (kind.name, index)).collect();
        if let (Some(&consumers), Some(&groups), Some(&kind)) =
            (by_name.get("consumers"), by_name.get("consumer_groups"), by_name.get("consumer_group_consumers"))
        {
            let (field, other) = ("consumer", "consumer_group");
            kinds[consumers].children.insert("groups", Child::Memberships { kind, field, other });
            kinds[groups].children.insert("consumers", Child::Memberships { kind, field: other, other: field });
        }
        Kinds { definitions, catalog, kinds, by_name }
    }

    /// The definitions they come from.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// The store's rules for them.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// All, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter()
    }

    /// A kind by its position, which must come from these kinds.
    pub fn get(&self, position: usize) -> &Kind {
        &self.kinds[position]
    }

    /// The position of a kind.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The definition of a kind.
    pub fn entity(&self, position: usize) -> Option<&Entity> {
        self.definitions.entity(self.kinds[position].name)
    }

    /// The fields that hold for a value; see [`Definitions::record_for`].
    pub fn record_for(&self, position: usize, value: &Map<String, Value>) -> Option<&Record> {
        self.definitions.record_for(self.kinds[position].name, value).ok()
    }

    /// A new entity, complete and valid; see [`Definitions::process_insert`].
    pub(crate) fn complete(
        &self,
        position: usize,
        value: Map<String, Value>,
        transform: bool,
        now: f64,
    ) -> Result<Map<String, Value>, Errors> {
        let name = self.kinds[position].name;
        let done = if transform {
            self.definitions.process_insert(name, value, now)
        } else {
            self.definitions.process_insert_untransformed(name, value, now)
        };
        done.map_err(|fault| match fault {
            entities::Fault::Invalid(errors) => errors,
            entities::Fault::Unknown(name) => Errors::entity(format!("No entity named '{name}'")),
        })
    }
}

fn kind(entity: &Entity, references: Vec<(&'static str, usize)>) -> Kind {
    // Wasm is off, and Consumer Groups are not served by the free edition's API.
    let served = entity.generate_admin_api && !matches!(entity.name, "filter_chains" | "consumer_groups" | "tags");
    let mut identity = entity.cache_key.to_vec();
    identity.extend(entity.endpoint_key);
    identity.extend(references.iter().map(|(field, _)| *field));
    identity.sort_unstable();
    identity.dedup();
    Kind {
        name: entity.name,
        primary_key: entity.primary_key.to_vec(),
        has_id: entity.primary_key == ["id"],
        endpoint: entity.endpoint_key,
        endpoint_unique: entity
            .endpoint_key
            .and_then(|key| entity.record.get(key))
            .is_some_and(schema::Field::is_unique),
        workspaced: entity.workspaceable,
        ttl: entity.ttl && entity.record.get("ttl").is_none(),
        path: served.then(|| entity.path()),
        nested_path: served.then(|| entity.nested_path()),
        exported: entity.db_export,
        references,
        children: BTreeMap::new(),
        identity,
    }
}
