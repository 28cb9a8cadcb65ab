//! All that is wrong with a form, with the way there.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::form::{Errors, Path, Step, label};

/// Takes the focus when it appears.
pub fn summary(errors: RwSignal<Errors>) -> AnyView {
    let node = NodeRef::<html::Div>::new();
    let there = Memo::new(move |_| errors.with(|errors| !errors.is_empty()));
    let list = move || errors.with(Errors::all).into_iter().map(|(path, message)| entry(path, &message)).collect_view();
    Effect::new(move |_| {
        if there.get()
            && let Some(panel) = node.get()
        {
            let _ = panel.focus();
        }
    });
    (move || {
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

fn entry(path: Option<Path>, message: &str) -> AnyView {
    let Some(path) = path else { return view! { <li>{message.to_owned()}</li> }.into_any() };
    let name: Vec<String> = path
        .steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => label(key),
            Step::Index(index) => (index + 1).to_string(),
        })
        .collect();
    let id = path.id();
    let go = move |_| {
        let target = document().get_element_by_id(&id).and_then(|target| target.dyn_into::<HtmlElement>().ok());
        if let Some(target) = target {
            let _ = target.focus();
        }
    };
    let text = format!("{}: {message}", name.join(" › "));
    view! { <li><button type="button" class="link" on:click=go>{text}</button></li> }.into_any()
}
