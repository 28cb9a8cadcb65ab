//! Taking a text along.

use js_sys::Reflect;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Clipboard, HtmlTextAreaElement};

use crate::state::toasts;

/// A button that copies; `what` is named for screen readers.
pub fn copy(what: &'static str, text: impl Fn() -> String + 'static) -> AnyView {
    button(t!("Copy"), format!("{} {what}", t!("Copy")), Box::new(text))
}

/// A button that copies the id of an entity; `label` begins with what stands on it.
pub fn copy_id(entity: &Value, label: String) -> AnyView {
    let id = entity["id"].as_str().unwrap_or_default().to_owned();
    button(t!("Copy ID"), label, Box::new(move || id.clone()))
}

fn button(words: &'static str, label: String, text: Box<dyn Fn() -> String>) -> AnyView {
    let toasts = toasts();
    let node = NodeRef::<html::Button>::new();
    let take = move |_| {
        let text = text();
        spawn_local(async move {
            let copied =
                by_clipboard(&text).await || node.get_untracked().is_some_and(|button| by_selection(&button, &text));
            toasts.say(match copied {
                true => t!("Copied."),
                false => t!("The browser does not let pages copy. Mark the text and copy it yourself."),
            });
        });
    };
    view! { <button type="button" class="quiet copy" node_ref=node aria-label=label on:click=take>{words}</button> }
        .into_any()
}

/// The way for pages that came over TLS or from this machine.
async fn by_clipboard(text: &str) -> bool {
    let Some(window) = web_sys::window() else { return false };
    let Ok(clipboard) = Reflect::get(&window.navigator(), &"clipboard".into()) else { return false };
    if !clipboard.is_object() {
        return false;
    }
    JsFuture::from(clipboard.unchecked_into::<Clipboard>().write_text(text)).await.is_ok()
}

/// The way for the others: copies what is selected in a field beside the button.
fn by_selection(button: &web_sys::HtmlButtonElement, text: &str) -> bool {
    let made =
        document().create_element("textarea").ok().and_then(|field| field.dyn_into::<HtmlTextAreaElement>().ok());
    let (Some(field), Some(place)) = (made, button.parent_element()) else { return false };
    field.set_value(text);
    field.set_class_name("unseen");
    if place.append_child(&field).is_err() {
        return false;
    }
    field.select();
    let copied = Reflect::get(&document(), &"execCommand".into())
        .ok()
        .and_then(|command| command.dyn_into::<js_sys::Function>().ok())
        .and_then(|command| command.call1(&document(), &"copy".into()).ok());
    field.remove();
    let _ = button.focus();
    copied.is_some_and(|copied| copied.is_truthy())
}
