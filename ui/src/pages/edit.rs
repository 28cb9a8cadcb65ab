//! Changing an entity.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::schema::describe;
use crate::api::load;
use crate::components::{Crumb, EntityForm, Purpose, heading, loaded};
use crate::entities::EntityKind;
use crate::form::Field;
use crate::page::{Page, encode};
use crate::state::gateway;

pub fn edit(kind: &'static EntityKind, id: String) -> AnyView {
    let gateway = gateway();
    let wanted = id.clone();
    let state = load(move || {
        let path = format!("{}/{}", kind.path, encode(&wanted));
        async move {
            let entity = gateway.get(&path).await?;
            let plugin = entity["name"].as_str().filter(|_| kind.key == "plugins");
            let fields = describe(gateway, kind, plugin).await?;
            Ok((entity, fields))
        }
    });
    let show = move |(entity, fields): (Value, Vec<Field>)| {
        let id = entity["id"].as_str().unwrap_or_default().to_owned();
        let name = kind.name_of(&entity);
        let crumbs = vec![
            Crumb { text: kind.many.to_owned(), page: Page::List(kind) },
            Crumb { text: name.clone(), page: Page::Detail(kind, id.clone()) },
        ];
        let back = Page::Detail(kind, id).href();
        view! {
            {heading(format!("Edit {name}"), crumbs, "", ().into_any())}
            <EntityForm kind fields=Arc::new(fields) purpose=Purpose::Edit(entity) back/>
        }
        .into_any()
    };
    loaded(state, show)
}
