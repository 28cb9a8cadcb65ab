//! A list of records, choices or long texts.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use super::{Form, blank, control, frame, members};
use crate::form::{Field, Kind, Path};

pub fn list(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let Kind::List(element) = &field.kind else { return ().into_any() };
    let element = Arc::new(Field { name: String::from("value"), ..(**element).clone() });
    let name = field.label();
    let add = NodeRef::<html::Button>::new();
    let (known, here) = (field.clone(), path.clone());
    let count = Memo::new(move |_| form.draft.with(|draft| draft.len(&here, &known)));

    let (known, here, inner, title) = (field.clone(), path.clone(), element.clone(), name.clone());
    let entries = move || {
        let entry = |index: usize| {
            let at = here.index(index);
            let body = match &inner.kind {
                Kind::Record(fields) => members(form, fields, &at),
                _ => control(form, inner.clone(), at),
            };
            let (list, place) = (known.clone(), here.clone());
            let remove = move |_| {
                form.change(&place, |draft| draft.remove(&place, &list, index));
                if let Some(add) = add.get_untracked() {
                    let _ = add.focus();
                }
            };
            let (list, place) = (known.clone(), here.clone());
            let raise = move |_| form.change(&place, |draft| draft.raise(&place, &list, index));
            let up = (index > 0).then(|| {
                view! {
                    <button type="button" class="quiet" disabled=move || form.locked.get() on:click=raise>
                        {t!("Move up")}<span class="unseen">{format!(" {title} {}", index + 1)}</span>
                    </button>
                }
            });
            view! {
                <fieldset class="card">
                    <legend>{format!("{title} {}", index + 1)}</legend>
                    {body}
                    <div class="actions">
                        {up}
                        <button type="button" class="quiet" disabled=move || form.locked.get() on:click=remove>
                            {t!("Remove")}<span class="unseen">{format!(" {title} {}", index + 1)}</span>
                        </button>
                    </div>
                </fieldset>
            }
        };
        (0..count.get()).map(entry).collect_view()
    };
    let (known, here) = (field.clone(), path.clone());
    let push = move |_| {
        form.change(&here, |draft| {
            // A set that is null begins anew.
            if draft.value(&here) == Some(&Value::Null) {
                draft.unset(&here);
            }
            draft.push(&here, &known, blank(&element));
        });
    };
    let control = view! {
        {entries}
        <button type="button" node_ref=add disabled=move || form.locked.get() on:click=push>
            {t!("Add")}<span class="unseen">{t!(" to {name}", name)}</span>
        </button>
    };
    frame::group(form, &field, &path, control.into_any())
}
