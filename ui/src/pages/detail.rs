//! One entity: its members, what belongs to it, what can be done with it.

use leptos::prelude::*;
use serde_json::Value;

use super::schema::describe;
use crate::api::load;
use crate::components::{ConfirmDelete, Crumb, facts, heading, loaded, related};
use crate::entities::EntityKind;
use crate::form::{Field, rows};
use crate::page::{Page, encode};
use crate::state::{gateway, toasts};

pub fn detail(kind: &'static EntityKind, id: String) -> AnyView {
    let gateway = gateway();
    let wanted = id.clone();
    let state = load(move || {
        let path = format!("{}/{}", kind.path, encode(&wanted));
        async move {
            let entity = gateway.get(&path).await?;
            let plugin = entity["name"].as_str().filter(|_| kind.key == "plugins");
            // Without its description the entity can still be shown.
            let fields = describe(gateway, kind, plugin).await.unwrap_or_default();
            Ok((entity, fields))
        }
    });
    loaded(state, move |(entity, fields)| show(kind, entity, &fields))
}

fn show(kind: &'static EntityKind, entity: Value, fields: &[Field]) -> AnyView {
    let (gateway, toasts) = (gateway(), toasts());
    let id = entity["id"].as_str().unwrap_or_default().to_owned();
    let name = kind.name_of(&entity);
    let crumbs = vec![Crumb { text: kind.many.to_owned(), page: Page::List(kind) }];
    let (to, subject) = (Page::Edit(kind, id.clone()), entity.clone());
    let after = after(kind, &entity);
    let actions = move || {
        let (to, subject, then) = (to.href(), subject.clone(), after.clone());
        (!gateway.is_read_only()).then(|| {
            view! {
                <a class="button main" href=to>"Edit"</a>
                <ConfirmDelete kind entity=subject then/>
            }
        })
    };
    let json = serde_json::to_string_pretty(&entity).unwrap_or_default();
    let text = json.clone();
    let copy = move |_| {
        if let Some(window) = web_sys::window() {
            // The browser may refuse; the text stands there all the same.
            let _ = window.navigator().clipboard().write_text(&text);
            toasts.say("JSON copied.");
        }
    };
    let parts = kind.related.iter().map(|of| related(kind, &id, of)).collect_view();
    view! {
        {heading(name, crumbs, kind.about, actions.into_any())}
        <section class="card" aria-labelledby="detail-configuration">
            <h2 id="detail-configuration">"Configuration"</h2>
            {facts(rows(&entity, fields))}
            <details class="group">
                <summary>"JSON"</summary>
                <button type="button" class="quiet" on:click=copy>"Copy JSON"</button>
                <pre tabindex="0" aria-label="JSON"><code>{json}</code></pre>
            </details>
        </section>
        {parts}
    }
    .into_any()
}

/// Where one is after it was deleted: at what it belonged to, where it has no list of its own.
fn after(kind: &'static EntityKind, entity: &Value) -> Page {
    let parent = kind.below.as_ref().and_then(|below| {
        let of = crate::entities::by_path(below.parent)?;
        Some(Page::Detail(of, entity[below.field]["id"].as_str()?.to_owned()))
    });
    parent.unwrap_or(Page::List(kind))
}
