//! A new plugin, once it is known which.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::{Map, Value};

use super::create::{begin, copied, given};
use super::schema::describe;
use crate::api::load;
use crate::components::{Crumb, EntityForm, Purpose, heading, loaded};
use crate::entities::by_key;
use crate::form::Field;
use crate::page::Page;
use crate::state::gateway;

pub fn create_plugin(name: String) -> AnyView {
    let Some(kind) = by_key("plugins") else { return super::not_found() };
    let gateway = gateway();
    let title = t!("New plugin {name}", name);
    let wanted = name.clone();
    let begin = begin();
    let state = load(move || {
        let (name, begin) = (wanted.clone(), begin.clone());
        async move { Ok((describe(gateway, kind, Some(&name)).await?, copied(gateway, kind, begin).await?)) }
    });
    let show = move |(fields, copy): (Vec<Field>, Map<String, Value>)| {
        let (start, back) = given(&fields, kind, copy);
        let mut also = Map::new();
        also.insert("name".to_owned(), Value::String(name.clone()));
        view! { <EntityForm kind fields=Arc::new(fields) purpose=Purpose::Create(start) also back/> }.into_any()
    };
    let crumbs = vec![
        Crumb { text: kind.many().to_owned(), page: Page::List(kind) },
        Crumb { text: t!("Add").to_owned(), page: Page::Catalogue },
    ];
    view! { {heading(title, crumbs, "", ().into_any())} {loaded(state, show)} }.into_any()
}
