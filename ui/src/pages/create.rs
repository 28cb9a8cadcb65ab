//! A new entity.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::json;

use super::schema::describe;
use crate::api::load;
use crate::components::{Crumb, EntityForm, Purpose, heading, loaded};
use crate::entities::EntityKind;
use crate::form::Draft;
use crate::form::{Field, Kind};
use crate::page::Page;
use crate::state::{gateway, location};

pub fn create(kind: &'static EntityKind) -> AnyView {
    let gateway = gateway();
    let state = load(move || describe(gateway, kind, None));
    let show = move |fields: Vec<Field>| {
        let (start, back) = given(&fields, kind);
        view! { <EntityForm kind fields=Arc::new(fields) purpose=Purpose::Create(start) back/> }.into_any()
    };
    let title = format!("New {}", kind.one);
    let crumbs = vec![Crumb { text: kind.many.to_owned(), page: Page::List(kind) }];
    view! { {heading(title, crumbs, kind.about, ().into_any())} {loaded(state, show)} }.into_any()
}

/// What the address says of the new entity (`?service=<id>`), and where one came from.
pub fn given(fields: &[Field], kind: &'static EntityKind) -> (serde_json::Map<String, serde_json::Value>, String) {
    let place = location();
    let mut start = Draft::create(serde_json::Map::new());
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
