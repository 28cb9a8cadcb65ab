//! All that is wrong with a form, with the way there.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::form::{Errors, Field, Path, way};

/// Takes the focus when it appears.
pub fn summary(errors: RwSignal<Errors>, fields: Arc<Vec<Field>>) -> AnyView {
    let node = NodeRef::<html::Div>::new();
    let there = Memo::new(move |_| errors.with(|errors| !errors.is_empty()));
    let list = move || {
        let entries = errors.with(Errors::all).into_iter().map(|(path, message)| entry(path, &message, &fields));
        entries.collect::<Vec<AnyView>>()
    };
    Effect::new(move |_| {
        if there.get()
            && let Some(panel) = node.get()
        {
            let _ = panel.focus();
        }
    });
    (move || {
        let list = list.clone();
        there.get().then(|| {
            view! {
                <div class="panel bad" role="alert" tabindex="-1" node_ref=node>
                    <h2>{t!("Not saved")}</h2>
                    <ul>{list}</ul>
                </div>
            }
        })
    })
    .into_any()
}

fn entry(path: Option<Path>, message: &str, fields: &[Field]) -> AnyView {
    let Some(path) = path else { return view! { <li>{message.to_owned()}</li> }.into_any() };
    let id = path.id();
    let go = move |_| {
        let target = document().get_element_by_id(&id).and_then(|target| target.dyn_into::<HtmlElement>().ok());
        if let Some(target) = target {
            let _ = target.focus();
        }
    };
    let text = format!("{}: {message}", way(&path, fields));
    view! { <li><button type="button" class="link" on:click=go>{text}</button></li> }.into_any()
}
