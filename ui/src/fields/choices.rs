//! A set of few possible values.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::{Form, frame};
use crate::form::{Field, Kind, Path, plain};

pub fn choices(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let Kind::Choices(options) = &field.kind else { return ().into_any() };
    let (known, here) = (field.clone(), path.clone());
    let chosen = Memo::new(move |_| match form.effective(&here, &known) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    });
    let boxes = options
        .iter()
        .cloned()
        .map(|option| {
            let (field, path, this) = (field.clone(), path.clone(), option.clone());
            let set = move |event| {
                let on = event_target_checked(&event);
                form.change(&path, |draft| draft.choose(&path, &field, &this, on));
            };
            let text = plain(&option);
            view! {
                <label class="check">
                    <input
                        type="checkbox"
                        disabled=move || form.locked.get()
                        prop:checked=move || chosen.with(|chosen| chosen.contains(&option))
                        on:change=set
                    />
                    <span>{text}</span>
                </label>
            }
        })
        .collect_view();
    frame::group(form, &field, &path, view! { <div class="checks">{boxes}</div> }.into_any())
}
