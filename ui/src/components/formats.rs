//! An entity as text to take elsewhere.

use leptos::prelude::*;
use serde_json::Value;

use super::copy;
use crate::api::base;
use crate::entities::{EntityKind, Group};
use crate::formats::Format;

/// A choice of formats, closed at first: the text may hold secrets.
pub fn formats(kind: &'static EntityKind, entity: &Value) -> AnyView {
    let entity = entity.clone();
    let format = RwSignal::new(Format::Json);
    let text = Memo::new(move |_| format.get().of(kind, &entity, &format!("{}/", base())));
    // The provider has no users and roles.
    let offered = Format::ALL.into_iter().filter(|one| *one != Format::Terraform || kind.group != Group::Access);
    let choice = offered.map(|one| {
        let pressed = move || (format.get() == one).to_string();
        view! {
            <button type="button" aria-pressed=pressed on:click=move |_| format.set(one)>{one.label()}</button>
        }
    });
    view! {
        <details class="group">
            <summary>{t!("As text")}</summary>
            <div class="choices" role="group" aria-label=t!("Format")>
                {choice.collect_view()}
                {copy(t!("text"), move || text.get_untracked())}
            </div>
            <pre tabindex="0" aria-label=move || format.get().label()><code>{move || text.get()}</code></pre>
        </details>
    }
    .into_any()
}
