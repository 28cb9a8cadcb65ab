//! Entities inside entries: whole, but for what is null. Rendered once per entity and thread.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use uuid::Uuid;

/// Entities that are remembered; with more, all are forgotten.
const MOST: usize = 8192;

/// An entity that is remembered: as long as the weak handle is there, no other entity has its address.
struct Known<T> {
    _entity: Weak<T>,
    text: Rc<RawValue>,
}

/// Texts by the address of the entity.
pub(super) struct Texts<T>(RefCell<HashMap<usize, Known<T>>>);

impl<T> Default for Texts<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Serialize> Texts<T> {
    /// The JSON of an entity of that workspace.
    pub fn of(&self, entity: &Arc<T>, workspace: Uuid) -> Option<Rc<RawValue>> {
        let address = Arc::as_ptr(entity).addr();
        let mut known = self.0.borrow_mut();
        if let Some(found) = known.get(&address) {
            return Some(found.text.clone());
        }
        let text: Rc<RawValue> = to_raw_value(&shown(&**entity, workspace)).ok()?.into();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(address, Known { _entity: Arc::downgrade(entity), text: text.clone() });
        Some(text)
    }
}

/// An entity without its nulls, with its workspace.
fn shown(entity: &impl Serialize, workspace: Uuid) -> Value {
    let mut value = serde_json::to_value(entity).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        // A Route without an expression is one of a router that knows no `priority`.
        if map.get("expression").is_some_and(Value::is_null) {
            map.remove("priority");
        }
        without_nulls(map);
        map.insert("ws_id".to_owned(), workspace.to_string().into());
    }
    value
}

fn without_nulls(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for value in map.values_mut() {
        if let Value::Object(inner) = value {
            without_nulls(inner);
        }
    }
}

thread_local! {
    /// Routes.
    pub(super) static ROUTES: Texts<entities::Route> = Texts::default();
    /// Services.
    pub(super) static SERVICES: Texts<entities::Service> = Texts::default();
}
