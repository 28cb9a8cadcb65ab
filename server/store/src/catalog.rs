//! What an engine must know of each kind of entity: keys, uniqueness, references.

use entities::{Definitions, Entity};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// What happens to a record when what it points to is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Restrict,
    /// The record goes too.
    Cascade,
    /// The field becomes null.
    Null,
}

/// A foreign field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    pub field: &'static str,
    /// The kind it points to.
    pub entity: &'static str,
    /// What a deletion there does.
    pub on_delete: OnDelete,
}

/// A combination of fields that no two records of a workspace share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The fields.
    pub fields: Vec<&'static str>,
    /// Whether the whole node is the scope instead of one workspace.
    pub across_workspaces: bool,
    /// Whether null is a value like others. If not, a record with a null among the fields is not held to the rule.
    pub nulls: bool,
}

/// The rules of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The kind, in the plural.
    pub entity: &'static str,
    /// The fields of the primary key.
    pub primary_key: Vec<&'static str>,
    /// Whether its records belong to workspaces.
    pub workspaced: bool,
    /// Uniqueness beyond the primary key.
    pub unique: Vec<Unique>,
    /// The foreign fields.
    pub references: Vec<Reference>,
}

impl Rules {
    /// `names`: the kinds there are.
    fn of(entity: &Entity, names: &[&'static str]) -> Rules {
        let mut unique: Vec<Unique> = entity
            .unique_fields()
            .map(|field| Unique {
                fields: vec![intern(field.name())],
                across_workspaces: field.is_unique_across_ws(),
                nulls: false,
            })
            .collect();
        unique.extend(entity.unique_together.iter().map(|fields| Unique {
            fields: fields.to_vec(),
            across_workspaces: false,
            nulls: true,
        }));
        let mut references: Vec<Reference> = entity
            .references()
            .filter_map(|(field, target, on_delete)| {
                let on_delete = match on_delete {
                    Some(schema::OnDelete::Cascade) => OnDelete::Cascade,
                    Some(schema::OnDelete::Null) => OnDelete::Null,
                    None => OnDelete::Restrict,
                };
                let entity = names.iter().find(|name| **name == target)?;
                Some(Reference { field: intern(field), entity, on_delete })
            })
            .collect();
        // The field stands in the records of the plugins that allow it, not in the common one.
        if entity.name == "plugins" && names.contains(&"consumer_groups") {
            references.push(Reference {
                field: "consumer_group",
                entity: "consumer_groups",
                on_delete: OnDelete::Cascade,
            });
        }
        Rules {
            entity: entity.name,
            primary_key: entity.primary_key.to_vec(),
            workspaced: entity.workspaceable,
            unique,
            references,
        }
    }
}

/// The same text for as long as the process lives; each name is kept once.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

/// The rules of every kind, in the order of the definitions.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    rules: Vec<Rules>,
    by_name: HashMap<&'static str, usize, foldhash::fast::RandomState>,
    pointing: HashMap<&'static str, Vec<(usize, usize)>, foldhash::fast::RandomState>,
}

impl Catalog {
    /// Builds a catalog. Later rules of the same name replace earlier ones.
    pub fn new(rules: Vec<Rules>) -> Catalog {
        let mut catalog = Catalog::default();
        for rule in rules {
            match catalog.by_name.get(rule.entity) {
                Some(&index) => catalog.rules[index] = rule,
                None => {
                    catalog.by_name.insert(rule.entity, catalog.rules.len());
                    catalog.rules.push(rule);
                }
            }
        }
        for (index, rule) in catalog.rules.iter().enumerate() {
            for (position, reference) in rule.references.iter().enumerate() {
                catalog.pointing.entry(reference.entity).or_default().push((index, position));
            }
        }
        catalog
    }

    /// The rules that the definitions of a node give. Tags are not stored: they are read off the entities.
    pub fn of(definitions: &Definitions) -> Catalog {
        let names: Vec<&'static str> =
            definitions.entities().map(|entity| entity.name).filter(|name| *name != "tags").collect();
        let rules = definitions.entities().filter(|entity| entity.name != "tags");
        Catalog::new(rules.map(|entity| Rules::of(entity, &names)).collect())
    }

    /// Every kind's rules.
    pub fn rules(&self) -> &[Rules] {
        &self.rules
    }

    /// The rules of one kind.
    pub fn get(&self, entity: &str) -> Option<&Rules> {
        self.by_name.get(entity).map(|&index| &self.rules[index])
    }

    /// The position of a kind in [`Catalog::rules`].
    pub fn position(&self, entity: &str) -> Option<usize> {
        self.by_name.get(entity).copied()
    }

    /// Who points to `entity`: the kind and its foreign field.
    pub fn pointing_to(&self, entity: &str) -> impl Iterator<Item = (&Rules, &Reference)> {
        self.pointing.get(entity).into_iter().flatten().map(|&(rule, position)| {
            let rules = &self.rules[rule];
            (rules, &rules.references[position])
        })
    }
}
