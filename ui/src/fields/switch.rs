//! Yes or no.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::{Form, frame};
use crate::form::{Field, Path};

pub fn switch(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let (known, here, target) = (field.clone(), path.clone(), path.clone());
    let on = Memo::new(move |_| form.effective(&here, &known).is_some_and(|value| value == Value::Bool(true)));
    let set = move |event| {
        let on = event_target_checked(&event);
        form.change(&target, |draft| draft.set(&target, Value::Bool(on)));
    };
    view! {
        <div class="field">
            <label class="check" title=field.name.clone()>
                <input
                    type="checkbox"
                    id=path.id()
                    aria-describedby=frame::described_by(&path)
                    aria-invalid=frame::invalid(form, &path)
                    disabled=move || form.locked.get()
                    prop:checked=move || on.get()
                    on:change=set
                />
                <span>{field.label()}</span>
            </label>
            {frame::notes(form, &field, &path)}
        </div>
    }
    .into_any()
}
