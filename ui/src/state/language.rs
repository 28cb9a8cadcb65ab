//! The language of the page.

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Response, Storage};

use super::location::root;
use crate::texts;

/// Where the chosen one is kept.
const STORED: &str = "silverback-language";

/// Languages: the tag, and what its speakers call it. The first is there where no other fits.
pub const LANGUAGES: [(&str, &str); 3] = [("en", "English"), ("de", "Deutsch"), ("zh", "中文")];

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// The tag of the language the manager has that is meant by a tag such as `de-AT`.
fn fitting(tag: &str) -> Option<&'static str> {
    let primary = tag.split('-').next()?.to_ascii_lowercase();
    LANGUAGES.iter().map(|(known, _)| *known).find(|known| *known == primary)
}

/// The tag of the language in use: the chosen one, otherwise the first of the browser's that the manager has.
pub fn language() -> &'static str {
    let chosen = storage().and_then(|storage| storage.get_item(STORED).ok().flatten());
    let wanted = || {
        let window = web_sys::window()?;
        window.navigator().languages().iter().find_map(|tag| fitting(&tag.as_string()?))
    };
    chosen.as_deref().and_then(fitting).or_else(wanted).unwrap_or(LANGUAGES[0].0)
}

/// Chooses another, and begins anew in it.
pub fn speak(tag: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(STORED, tag);
    }
    if let Some(window) = web_sys::window() {
        let _ = window.location().reload();
    }
}

/// Loads the texts of the language in use.
///
/// # Errors
/// Where its file does not come.
pub async fn load() -> Result<(), JsValue> {
    let tag = language();
    if let Some(html) = document().document_element() {
        html.set_attribute("lang", tag)?;
    }
    let link = document().query_selector(&format!("link[hreflang={tag}]"))?.ok_or(JsValue::NULL)?;
    let address = format!("{}{}", root(), Element::get_attribute(&link, "href").unwrap_or_default());
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let answer: Response = JsFuture::from(window.fetch_with_str(&address)).await?.dyn_into()?;
    let text = JsFuture::from(answer.text()?).await?.as_string().unwrap_or_default();
    texts::learn(&serde_json::from_str(&text).map_err(|_| JsValue::NULL)?);
    Ok(())
}
