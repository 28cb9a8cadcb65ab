//! Names of entities, for links and for choosing.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::gateway::Gateway;
use crate::entities::{by_key, short};

/// By kind: id and name of up to a thousand. More are found when asked for by name.
#[derive(Clone, Copy)]
pub struct Names(RwSignal<BTreeMap<String, BTreeMap<String, String>>>);

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
            let answer = gateway.get(&format!("{}?size=1000", path(&kind))).await;
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
            let name = name(kind, entity);
            self.0.update_untracked(|all| all.entry(kind.to_owned()).or_default().insert(id.to_owned(), name));
        }
    }

    /// Its name, or the beginning of its id.
    pub fn of(self, kind: &str, id: &str) -> String {
        self.known(kind, id).unwrap_or_else(|| short(id))
    }

    /// Its name, if known.
    pub fn known(self, kind: &str, id: &str) -> Option<String> {
        self.0.with(|all| all.get(kind).and_then(|names| names.get(id)).cloned())
    }

    /// The id of the only one with this name.
    pub fn id(self, kind: &str, name: &str) -> Option<String> {
        self.0.with_untracked(|all| {
            let mut fitting = all.get(kind)?.iter().filter(|(_, known)| *known == name);
            let (id, _) = fitting.next()?;
            fitting.next().is_none().then(|| id.clone())
        })
    }

    /// Known names, in order.
    pub fn all(self, kind: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.0.with(|all| all.get(kind).map(|names| names.values().cloned().collect()).unwrap_or_default());
        names.sort();
        names.dedup();
        names
    }
}

/// Where the Admin API has this kind.
pub fn path(kind: &str) -> String {
    by_key(kind).map_or(kind, |kind| kind.path).to_owned()
}

fn name(kind: &str, entity: &Value) -> String {
    if let Some(kind) = by_key(kind) {
        return kind.name_of(entity);
    }
    let named = ["name", "username", "prefix"].iter().find_map(|name| entity[*name].as_str());
    named.map_or_else(|| short(entity["id"].as_str().unwrap_or("?")), str::to_owned)
}
