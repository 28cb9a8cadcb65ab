//! Names of entities, for links and for choosing.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::gateway::Gateway;
use crate::entities::{by_key, short};
use crate::form::plain;
use crate::order::sort_by;
use crate::page::write_query;

/// By kind: what up to a thousand are called. More are found when asked for by name.
#[derive(Clone, Copy)]
pub struct Names(RwSignal<BTreeMap<String, BTreeMap<String, Known>>>);

/// What is known of an entity beside its id.
struct Known {
    name: String,
    /// What else tells it from others; may be empty.
    also: String,
}

/// Characters of an id by which it may be found: fewer are likely to be meant as a name.
const PART: usize = 4;

impl Names {
    pub(super) fn new() -> Self {
        Self(RwSignal::new(BTreeMap::new()))
    }

    pub(super) fn forget(self) {
        self.0.update_untracked(BTreeMap::clear);
    }

    /// Asks for the names of a kind, once.
    pub fn want(self, gateway: Gateway, kind: &str) {
        if self.0.with_untracked(|all| all.contains_key(kind)) {
            return;
        }
        self.0.update_untracked(|all| all.insert(kind.to_owned(), BTreeMap::new()));
        let kind = kind.to_owned();
        spawn_local(async move {
            let more = by_key(&kind).map(|kind| write_query(&[kind.more()])).unwrap_or_default();
            let answer = gateway.get(&format!("{}?size=1000&{more}", path(&kind))).await;
            let Ok(page) = answer else {
                self.0.update_untracked(|all| all.remove(&kind));
                return;
            };
            for entity in page["data"].as_array().into_iter().flatten() {
                self.learn(&kind, entity);
            }
            self.0.notify();
        });
    }

    /// Remembers one.
    pub fn learn(self, kind: &str, entity: &Value) {
        if let Some(id) = entity["id"].as_str() {
            let name = Known { name: name(kind, entity), also: also(entity) };
            self.0.update_untracked(|all| all.entry(kind.to_owned()).or_default().insert(id.to_owned(), name));
        }
    }

    /// Its name, or the beginning of its id.
    pub fn of(self, kind: &str, id: &str) -> String {
        self.known(kind, id).unwrap_or_else(|| short(id))
    }

    /// Its name, if known.
    pub fn known(self, kind: &str, id: &str) -> Option<String> {
        self.0.with(|all| Some(all.get(kind)?.get(id)?.name.clone()))
    }

    /// The id of the only one with this name.
    pub fn id(self, kind: &str, name: &str) -> Option<String> {
        self.only(kind, |_, known| known.name == name)
    }

    /// The id of the only one with this part of an id.
    pub fn id_with(self, kind: &str, part: &str) -> Option<String> {
        let part = part.to_ascii_lowercase();
        if part.len() < PART { None } else { self.only(kind, |id, _| id.contains(&part)) }
    }

    fn only(self, kind: &str, fits: impl Fn(&str, &Known) -> bool) -> Option<String> {
        self.0.with_untracked(|all| {
            let mut fitting = all.get(kind)?.iter().filter(|(id, known)| fits(id, known));
            let (id, _) = fitting.next()?;
            fitting.next().is_none().then(|| id.clone())
        })
    }

    /// What to propose: what is entered for each, and what is shown beside it. Names that several have are no answer, their
    /// ids are.
    pub fn options(self, kind: &str) -> Vec<(String, String)> {
        self.0.with(|all| {
            let Some(known) = all.get(kind) else { return Vec::new() };
            let mut list: Vec<(&str, &str, &str)> =
                known.iter().map(|(id, known)| (known.name.as_str(), id.as_str(), known.also.as_str())).collect();
            sort_by(&mut list, Ord::cmp);
            let named = |at: Option<usize>, name: &str| at.and_then(|at| list.get(at)).is_some_and(|one| one.0 == name);
            let option = |(at, &(name, id, also)): (usize, &(&str, &str, &str))| {
                let alone = name != short(id) && !named(at.checked_sub(1), name) && !named(Some(at + 1), name);
                let (value, beside) = if alone { (name, id) } else { (id, name) };
                (value.to_owned(), join([beside.to_owned(), also.to_owned()]))
            };
            list.iter().enumerate().map(option).collect()
        })
    }

    /// Known names, in order.
    pub fn all(self, kind: &str) -> Vec<String> {
        let mut names: Vec<String> = self.0.with(|all| {
            all.get(kind).map(|names| names.values().map(|known| known.name.clone()).collect()).unwrap_or_default()
        });
        sort_by(&mut names, Ord::cmp);
        names.dedup();
        names
    }
}

/// Where the Admin API has this kind.
pub fn path(kind: &str) -> String {
    by_key(kind).map_or(kind, |kind| kind.path).to_owned()
}

/// What tells entities apart that have no names: server names and subjects of certificates.
fn also(entity: &Value) -> String {
    join([plain(&entity["snis"]), plain(&entity["metadata"]["subject"])])
}

fn join(parts: [String; 2]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn name(kind: &str, entity: &Value) -> String {
    if let Some(kind) = by_key(kind) {
        return kind.name_of(entity);
    }
    let named = ["name", "username", "prefix"].iter().find_map(|name| entity[*name].as_str());
    named.map_or_else(|| short(entity["id"].as_str().unwrap_or("?")), str::to_owned)
}
