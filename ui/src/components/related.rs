//! What belongs to an entity.

use leptos::prelude::*;
use serde_json::Value;

use super::{empty, loaded, table};
use crate::api::load;
use crate::entities::{EntityKind, Related, by_key};
use crate::page::{Page, encode};
use crate::state::gateway;

/// How many are shown here; the list has the others.
const SHOWN: usize = 100;

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
    let button = move || {
        let add = add.clone();
        (!gateway.is_read_only()).then(|| view! { <a class="button" href=add>{format!("Add {}", kind.one)}</a> })
    };
    let title = format!("{}-{}", parent.key, of.path);
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return empty(format!("No {} here yet. {}", kind.many, kind.about), ().into_any());
        }
        let more = page["next"].is_string().then(|| {
            view! { <p class="about">{format!("The first {SHOWN} are shown.")}</p> }
        });
        view! { {table(kind, &rows, format!("{} of this {}", kind.many, parent.one), of.field)} {more} }.into_any()
    };
    view! {
        <section aria-labelledby=title.clone()>
            <div class="heading"><h2 id=title.clone()>{kind.many}</h2>{button}</div>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}
