//! What belongs to an entity.

use leptos::prelude::*;
use serde_json::Value;

use super::{empty, loaded, table};
use crate::api::load;
use crate::entities::{EntityKind, Related, by_key};
use crate::page::{Page, encode};
use crate::permissions::Action;
use crate::state::gateway;

/// How many are shown here; the list has the others.
const SHOWN: usize = 100;

/// One section for what is shown together: a button for each sort, a table for each that is not empty.
pub fn together(parent: &'static EntityKind, id: &str) -> AnyView {
    let Some(text) = parent.related.iter().find_map(|of| of.together) else { return ().into_any() };
    let (gateway, title) = (gateway(), text.get());
    let list: Vec<(&'static Related, &'static EntityKind)> = parent
        .related
        .iter()
        .filter(|of| of.together == Some(text))
        .filter_map(|of| Some((of, by_key(of.kind)?)))
        .collect();
    let links: Vec<(String, String, String)> = list
        .iter()
        .map(|(of, kind)| {
            let path = format!("{}/{}/{}", parent.path, encode(id), of.path);
            (path, Page::Create(kind).with(&[(of.field, id)]), t!("Add {one}", one = kind.one()))
        })
        .collect();
    let buttons = move || {
        let links = links.clone().into_iter().filter(|(path, ..)| gateway.may(Action::Create, path));
        links.map(|(_, to, text)| view! { <a class="button" href=to>{text}</a> }).collect_view()
    };
    let paths: Vec<String> =
        list.iter().map(|(of, _)| format!("{}/{}/{}?size={SHOWN}", parent.path, encode(id), of.path)).collect();
    let state = load(move || {
        gateway.track_writes();
        let paths = paths.clone();
        async move {
            let mut pages = Vec::new();
            for path in &paths {
                pages.push(match gateway.get(path).await {
                    Ok(page) => page,
                    // The plugin that these are for is not there.
                    Err(failure) if failure.status == 404 => Value::Null,
                    Err(failure) => return Err(failure),
                });
            }
            Ok(pages)
        }
    });
    let show = move |pages: Vec<Value>| {
        let filled = list.iter().zip(&pages).filter_map(|((of, kind), page)| {
            let rows = page["data"].as_array().filter(|rows| !rows.is_empty())?;
            let caption = t!("{many} of this {one}", many = kind.many(), one = parent.one());
            Some(view! { <h3>{kind.many()}</h3> {table(kind, rows, caption, of.field)} })
        });
        let tables: Vec<_> = filled.collect();
        if tables.is_empty() {
            return empty(t!("No credentials here yet.").to_owned(), ().into_any());
        }
        tables.into_any()
    };
    view! {
        <section aria-labelledby="together">
            <div class="heading"><h2 id="together">{title}</h2><div class="actions">{buttons}</div></div>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}

/// A section with a table, and a way to add one.
pub fn related(parent: &'static EntityKind, id: &str, of: &'static Related) -> AnyView {
    let Some(kind) = by_key(of.kind) else { return ().into_any() };
    let gateway = gateway();
    let path = format!("{}/{}/{}?size={SHOWN}", parent.path, encode(id), of.path);
    let state = load(move || {
        gateway.track_writes();
        let path = path.clone();
        async move { gateway.get(&path).await }
    });
    let to = if kind.key == "plugins" { Page::Catalogue } else { Page::Create(kind) };
    let add = to.with(&[(of.field, id)]);
    // A new one is made at the top, or below its parent where it has no other place.
    let place = match &kind.below {
        Some(_) => format!("{}/{}/{}", parent.path, encode(id), of.path),
        None => kind.path.to_owned(),
    };
    let button = move || {
        let add = add.clone();
        gateway
            .may(Action::Create, &place)
            .then(|| view! { <a class="button" href=add>{t!("Add {one}", one = kind.one())}</a> })
    };
    let title = format!("{}-{}", parent.key, of.path);
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return empty(format!("{} {}", t!("No {many} here yet.", many = kind.many()), kind.about()), ().into_any());
        }
        let more = page["next"].is_string().then(|| {
            view! { <p class="about">{t!("The first {count} are shown.", count = SHOWN)}</p> }
        });
        view! { {table(kind, &rows, t!("{many} of this {one}", many = kind.many(), one = parent.one()), of.field)} {more} }.into_any()
    };
    view! {
        <section aria-labelledby=title.clone()>
            <div class="heading"><h2 id=title.clone()>{kind.many()}</h2>{button}</div>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}
