//! Another entity, by name or id.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;
use wasm_bindgen::JsCast;

use super::{Form, frame, text::has_focus};
use crate::entities::by_key;
use crate::form::{Field, Kind, Path, label};
use crate::page::encode;

pub fn foreign(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let Kind::Foreign(kind) = field.kind.clone() else { return ().into_any() };
    let names = form.gateway.names;
    names.want(form.gateway, &kind);
    let node = NodeRef::<html::Input>::new();

    let (known, here, of) = (field.clone(), path.clone(), kind.clone());
    let shown = Memo::new(move |_| {
        let text = form.draft.with(|draft| draft.text(&here, &known));
        let typed = form.draft.with(|draft| draft.typed(&here).is_some());
        if typed || text.is_empty() { text } else { names.known(&of, &text).unwrap_or(text) }
    });
    Effect::new(move |_| {
        let text = shown.get();
        if let Some(element) = node.get().filter(|element| !has_focus(element.unchecked_ref())) {
            element.set_value(&text);
        }
    });

    let (known, here, of) = (field.clone(), path.clone(), kind.clone());
    let enter = move |event| {
        let text = event_target_value(&event);
        form.change(&here, |draft| match names.id(&of, &text) {
            Some(id) => draft.set(&here, json!({ "id": id })),
            None => draft.enter(&here, &known, &text),
        });
    };
    // What is no known name is looked up by the server.
    let (here, of) = (path.clone(), kind.clone());
    let settle = move |_| {
        let typed = form.draft.with_untracked(|draft| draft.typed(&here).map(str::to_owned));
        let Some(text) = typed else { return };
        if let Some(id) = names.id_with(&of, &text) {
            return form.change(&here, |draft| draft.set(&here, json!({ "id": id })));
        }
        let (here, of) = (here.clone(), of.clone());
        spawn_local(async move {
            let found = form.gateway.get(&format!("{}/{}", crate::state::path(&of), encode(&text))).await;
            let still = form.draft.try_with_untracked(|draft| draft.typed(&here) == Some(text.as_str()));
            if still != Some(true) {
                return;
            }
            match found.ok().and_then(|entity| entity["id"].as_str().map(|id| (id.to_owned(), entity.clone()))) {
                Some((id, entity)) => {
                    names.learn(&of, &entity);
                    form.change(&here, |draft| draft.set(&here, json!({ "id": id })));
                }
                None => form.errors.update(|errors| {
                    errors.clear(&here);
                    let one = by_key(&of).map_or_else(|| label(&of), |kind| kind.one().to_owned());
                    errors.add(&here, t!("no {one} has the name or id “{text}”", one, text));
                }),
            }
        });
    };
    let list = format!("{}-options", path.id());
    let options = {
        let kind = kind.clone();
        move || {
            let options = names.options(&kind).into_iter();
            options
                .map(|(value, about)| view! { <option value=value>{about}</option> }.into_any())
                .collect::<Vec<AnyView>>()
        }
    };
    let control = view! {
        <input
            node_ref=node
            id=path.id()
            type="text"
            list=list.clone()
            autocomplete="off"
            spellcheck="false"
            placeholder=t!("Name or ID")
            aria-describedby=frame::described_by(&path)
            aria-invalid=frame::invalid(form, &path)
            disabled=move || form.locked.get()
            on:input=enter
            on:change=settle
        />
        <datalist id=list>{options}</datalist>
    };
    frame::single(form, &field, &path, control.into_any())
}
