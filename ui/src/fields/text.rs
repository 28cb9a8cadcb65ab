//! Text, numbers, and JSON.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::{Form, frame};
use crate::form::{Field, Kind, Path};

/// Whether somebody types in it: then it is not written into, or the caret would jump.
pub fn has_focus(element: &Element) -> bool {
    document().active_element().as_ref() == Some(element)
}

pub fn text(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let long = matches!(field.kind, Kind::Text { long: true } | Kind::Json);
    let control = if long { area(form, &field, &path) } else { line(form, &field, &path) };
    frame::single(form, &field, &path, control)
}

/// What the control shows, whenever that changes.
fn shown(form: Form, field: &Arc<Field>, path: &Path) -> Memo<String> {
    let (field, path) = (field.clone(), path.clone());
    Memo::new(move |_| form.draft.with(|draft| draft.text(&path, &field)))
}

fn entered(form: Form, field: &Arc<Field>, path: &Path) -> impl Fn(web_sys::Event) + 'static {
    let (field, path) = (field.clone(), path.clone());
    move |event| {
        let text = event_target_value(&event);
        form.change(&path, |draft| draft.enter(&path, &field, &text));
    }
}

fn area(form: Form, field: &Arc<Field>, path: &Path) -> AnyView {
    let node = NodeRef::<html::Textarea>::new();
    let shown = shown(form, field, path);
    Effect::new(move |_| {
        let text = shown.get();
        if let Some(element) = node.get().filter(|element| !has_focus(element.unchecked_ref())) {
            element.set_value(&text);
        }
    });
    view! {
        <textarea
            node_ref=node
            id=path.id()
            rows="5"
            class="code"
            spellcheck="false"
            aria-describedby=frame::described_by(path)
            aria-invalid=frame::invalid(form, path)
            placeholder=frame::placeholder(field)
            disabled=move || form.locked.get()
            on:input=entered(form, field, path)
        ></textarea>
    }
    .into_any()
}

fn line(form: Form, field: &Arc<Field>, path: &Path) -> AnyView {
    let node = NodeRef::<html::Input>::new();
    let shown = shown(form, field, path);
    Effect::new(move |_| {
        let text = shown.get();
        if let Some(element) = node.get().filter(|element| !has_focus(element.unchecked_ref())) {
            element.set_value(&text);
        }
    });
    // Secrets are covered until one asks.
    let covered = RwSignal::new(field.secret);
    let mode = match field.kind {
        Kind::Number { integer: true } => "numeric",
        Kind::Number { integer: false } => "decimal",
        _ => "text",
    };
    let reveal = field.secret.then(|| {
        let name = field.label();
        view! {
            <button type="button" on:click=move |_| covered.update(|covered| *covered = !*covered)>
                {move || if covered.get() { t!("Show") } else { t!("Hide") }}
                <span class="unseen">{format!(" {name}")}</span>
            </button>
        }
    });
    view! {
        <div class="line">
            <input
                node_ref=node
                id=path.id()
                type=move || if covered.get() { "password" } else { "text" }
                inputmode=mode
                autocomplete="off"
                spellcheck="false"
                aria-describedby=frame::described_by(path)
                aria-invalid=frame::invalid(form, path)
                aria-required=(field.required && field.default.is_none() && !field.generated).then_some("true")
                placeholder=frame::placeholder(field)
                disabled=move || form.locked.get()
                on:input=entered(form, field, path)
            />
            {reveal}
        </div>
    }
    .into_any()
}
