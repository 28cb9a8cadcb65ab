//! A moment: when it was or will be, and how far that is from now.

use js_sys::{Array, Date, Intl, Object};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::form::{distance, when};
use crate::state::language;

/// Seconds from now to a moment (seconds since 1970); negative where it has passed.
pub fn until(moment: f64) -> f64 {
    moment - Date::now() / 1000.0
}

/// "in 3 days", "5 minutes ago", in the language of the page; `moment` in seconds since 1970.
pub fn relative(moment: f64) -> String {
    let (count, unit) = distance(until(moment));
    let options = Object::new();
    // "yesterday" instead of "1 day ago".
    let _ = js_sys::Reflect::set(&options, &"numeric".into(), &"auto".into());
    let words = Intl::RelativeTimeFormat::new(&Array::of1(&JsValue::from_str(language())), &options);
    String::from(words.format(count, unit))
}

/// Both; nothing for what is no time.
pub fn time(seconds: &str) -> AnyView {
    let Some(text) = when(seconds) else { return ().into_any() };
    let distance = seconds.parse().ok().map(relative).unwrap_or_default();
    // 2026-11-21 05:04:10 UTC, as documents write it.
    let machine = text.replacen(' ', "T", 1).replace(" UTC", "Z");
    view! { <time datetime=machine><span>{text}</span>" "<span class="muted">{distance}</span></time> }.into_any()
}
