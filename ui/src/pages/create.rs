//! A new entity.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::{Map, Value, json};

use super::schema::describe;
use crate::api::{Failure, load};
use crate::components::{EntityForm, Purpose, heading, loaded, way};
use crate::entities::EntityKind;
use crate::form::Draft;
use crate::form::{Field, Kind};
use crate::page::Page;
use crate::state::{Gateway, gateway, location};

/// Members that no two entities share.
const OWN: [&str; 6] = ["id", "created_at", "updated_at", "key", "kid", "instance_name"];

pub fn create(kind: &'static EntityKind) -> AnyView {
    let gateway = gateway();
    let begin = begin();
    let state = load(move || {
        let begin = begin.clone();
        async move { Ok((describe(gateway, kind, None).await?, copied(gateway, kind, begin).await?)) }
    });
    let show = move |(fields, copy): (Vec<Field>, Map<String, Value>)| {
        let (start, back) = given(&fields, kind, copy);
        view! { <EntityForm kind fields=Arc::new(fields) purpose=Purpose::Create(start) back/> }.into_any()
    };
    let title = t!("New {one}", one = kind.one());
    let parent = kind.below.as_ref().map(|below| (below.field, location().value(below.field)));
    let crumbs = way(kind, &parent.map_or(Value::Null, |(field, id)| json!({ field: { "id": id } })));
    view! { {heading(title, crumbs, kind.about(), ().into_any())} {loaded(state, show)} }.into_any()
}

/// The entity that the address says to begin with (`?copy=<id>`).
pub fn begin() -> Option<String> {
    location().query.with_untracked(|query| query.iter().find(|(n, _)| n == "copy").map(|(_, v)| v.clone()))
}

/// Its members, those left out that must differ.
pub async fn copied(
    gateway: Gateway,
    kind: &'static EntityKind,
    address: Option<String>,
) -> Result<Map<String, Value>, Failure> {
    let Some(address) = address else { return Ok(Map::new()) };
    let Value::Object(mut members) = gateway.entity(kind, &address).await? else { return Ok(Map::new()) };
    members.retain(|name, value| !value.is_null() && !OWN.contains(&name.as_str()));
    for name in kind.names.iter().filter(|_| kind.key != "plugins") {
        if let Some(Value::String(text)) = members.get_mut(*name) {
            text.push_str("-copy");
        }
    }
    Ok(members)
}

/// What the address says of the new entity (`?service=<id>`), and where one came from.
pub fn given(fields: &[Field], kind: &'static EntityKind, copy: Map<String, Value>) -> (Map<String, Value>, String) {
    let place = location();
    let mut start = Draft::create(copy);
    let mut back = Page::List(kind).href();
    for field in fields {
        let id =
            place.query.with_untracked(|query| query.iter().find(|(n, _)| *n == field.name).map(|(_, v)| v.clone()));
        if let (Kind::Foreign(of), Some(id)) = (&field.kind, id) {
            start.set(&crate::form::Path::default().key(&field.name), json!({ "id": id }));
            if let Some(of) = crate::entities::by_key(of) {
                back = Page::Detail(of, id).href();
            }
        }
    }
    (start.current().as_object().cloned().unwrap_or_default(), back)
}
