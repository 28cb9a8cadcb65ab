//! Changing an entity.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::schema::describe;
use crate::api::load;
use crate::components::{Crumb, EntityForm, Purpose, heading, loaded, way};
use crate::entities::EntityKind;
use crate::form::Field;
use crate::page::Page;
use crate::state::gateway;

pub fn edit(kind: &'static EntityKind, id: String) -> AnyView {
    let gateway = gateway();
    let wanted = id.clone();
    let state = load(move || {
        let wanted = wanted.clone();
        async move {
            let entity = gateway.entity(kind, &wanted).await?;
            let plugin = entity["name"].as_str().filter(|_| kind.key == "plugins");
            let fields = describe(gateway, kind, plugin).await?;
            Ok((entity, fields))
        }
    });
    let show = move |(entity, fields): (Value, Vec<Field>)| {
        let name = kind.name_of(&entity);
        let own = Page::Detail(kind, kind.address_of(&entity));
        let back = own.href();
        let mut crumbs = way(kind, &entity);
        crumbs.push(Crumb { text: name.clone(), page: own });
        view! {
            {heading(t!("Edit {name}", name), crumbs, "", ().into_any())}
            <EntityForm kind fields=Arc::new(fields) purpose=Purpose::Edit(entity) back/>
        }
        .into_any()
    };
    loaded(state, show)
}
