//! Deleting, after asking.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::failure;
use crate::api::Failure;
use crate::entities::EntityKind;
use crate::page::Page;
use crate::state::{gateway, location, toasts};

/// The button, and the dialog it opens. Afterwards one is at `then`.
#[component]
pub fn ConfirmDelete(kind: &'static EntityKind, entity: Value, then: Page) -> impl IntoView {
    let (gateway, place, toasts) = (gateway(), location(), toasts());
    let dialog = NodeRef::<html::Dialog>::new();
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<Failure>);
    let name = kind.name_of(&entity);
    let question = t!("Delete {one} {name}?", one = kind.one(), name);
    let path = kind.write_path(&entity, entity["id"].as_str());
    let ask = move |_| {
        refused.set(None);
        if let Some(dialog) = dialog.get_untracked() {
            let _ = dialog.show_modal();
        }
    };
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let said = t!("{one} {name} deleted.", one = kind.one(), name);
    let delete = move |_| {
        let (Some(path), said, then) = (path.clone(), said.clone(), then.href()) else { return };
        busy.set(true);
        spawn_local(async move {
            let answer = gateway.send("DELETE", &path, None).await;
            busy.try_set(false);
            match answer {
                Ok(_) => {
                    toasts.say(said);
                    place.go(&then);
                }
                Err(failure) => {
                    refused.try_set(Some(failure));
                }
            }
        });
    };
    view! {
        <button type="button" class="bad" on:click=ask>{t!("Delete")}</button>
        <dialog node_ref=dialog aria-labelledby="confirm-title">
            <h2 id="confirm-title">{question}</h2>
            <p>{kind.cascades()}</p>
            <p>{t!("This cannot be undone.")}</p>
            {move || refused.get().map(|refused| failure(&refused))}
            <div class="actions">
                <button type="button" autofocus on:click=move |_| close()>{t!("Cancel")}</button>
                <button type="button" class="bad" disabled=move || busy.get() on:click=delete>
                    {t!("Delete {one}", one = kind.one())}
                </button>
            </div>
        </dialog>
    }
}
