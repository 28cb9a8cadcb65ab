//! Values by a free name.

use std::sync::Arc;

use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use super::{Form, blank, control, frame, members};
use crate::form::{Field, Kind, Path};

pub fn map(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let Kind::Map(element) = &field.kind else { return ().into_any() };
    let element = Arc::new((**element).clone());
    let name = field.label();
    let node = NodeRef::<html::Input>::new();
    let (known, here) = (field.clone(), path.clone());
    let keys = Memo::new(move |_| match form.effective(&here, &known) {
        Some(Value::Object(entries)) => entries.keys().cloned().collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let (known, here, inner) = (field.clone(), path.clone(), element.clone());
    let entries = move || {
        let entry = |key: String| {
            let at = here.key(key.clone());
            let field = Arc::new(Field { name: key.clone(), ..(*inner).clone() });
            let body = match &field.kind {
                Kind::Record(fields) => {
                    let inside = members(form, fields, &at);
                    view! { <fieldset class="card"><legend>{key.clone()}</legend>{inside}</fieldset> }.into_any()
                }
                _ => control(form, field, at),
            };
            let (map, place, name) = (known.clone(), here.clone(), key.clone());
            let remove = move |_| {
                form.change(&place, |draft| draft.remove_entry(&place, &map, &name));
                if let Some(input) = node.get_untracked() {
                    let _ = input.focus();
                }
            };
            view! {
                <div class="entry">
                    {body}
                    <button type="button" class="quiet" disabled=move || form.locked.get() on:click=remove>
                        {t!("Remove")}<span class="unseen">{format!(" {key}")}</span>
                    </button>
                </div>
            }
        };
        keys.get().into_iter().map(entry).collect_view()
    };

    let (known, here) = (field.clone(), path.clone());
    let take = move || {
        let Some(input) = node.get_untracked() else { return };
        let key = input.value().trim().to_owned();
        if !key.is_empty() && !keys.with_untracked(|keys| keys.contains(&key)) {
            form.change(&here, |draft| draft.put_entry(&here, &known, &key, blank(&element)));
        }
        input.set_value("");
    };
    let on_key = take.clone();
    let key = move |event: KeyboardEvent| {
        if event.key() == "Enter" {
            event.prevent_default();
            on_key();
        }
    };
    form.on_take(take.clone());
    let id = format!("{}-new", path.id());
    let control = view! {
        {entries}
        <label for=id.clone()>{t!("New name in {name}", name)}</label>
        <div class="line">
            <input
                node_ref=node
                id=id
                type="text"
                autocomplete="off"
                spellcheck="false"
                disabled=move || form.locked.get()
                on:keydown=key
            />
            <button type="button" disabled=move || form.locked.get() on:click=move |_| take()>
                {t!("Add")}<span class="unseen">{t!(" to {name}", name)}</span>
            </button>
        </div>
    };
    frame::group(form, &field, &path, control.into_any())
}
