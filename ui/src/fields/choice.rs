//! One of few values, or yes and no where both may be left open.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::{Form, frame};
use crate::form::{Field, Kind, Path, plain};

pub fn choice(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let options: Vec<Value> = match &field.kind {
        Kind::Choice(options) => options.clone(),
        _ => vec![Value::Bool(true), Value::Bool(false)],
    };
    let word = |value: &Value| match value {
        Value::Bool(true) => t!("Yes").to_owned(),
        Value::Bool(false) => t!("No").to_owned(),
        other => plain(other),
    };
    let unset = match &field.default {
        Some(default) => t!("Default ({value})", value = word(default)),
        None => t!("Not set").to_owned(),
    };
    let here = path.clone();
    let current = Memo::new(move |_| form.draft.with(|draft| draft.value(&here).map(plain).unwrap_or_default()));
    // A value that the description does not know is kept and shown.
    let known: Vec<String> = options.iter().map(plain).collect();
    let odd = current.get_untracked();
    let odd = (!odd.is_empty() && !known.contains(&odd)).then_some(odd);
    let list = known
        .into_iter()
        .zip(options.iter().map(word))
        .chain(odd.into_iter().map(|odd| (odd.clone(), odd)))
        .map(|(value, text)| {
            let chosen = value.clone();
            view! { <option value=value selected=move || current.get() == chosen>{text}</option> }
        })
        .collect_view();
    let (target, known) = (path.clone(), field.clone());
    let choose = move |event| {
        let text = event_target_value(&event);
        let value = options.iter().find(|option| plain(option) == text).cloned();
        form.change(&target, |draft| match value {
            Some(value) => draft.set(&target, value),
            None => draft.clear(&target, &known),
        });
    };
    let control = view! {
        <select
            id=path.id()
            aria-describedby=frame::described_by(&path)
            aria-invalid=frame::invalid(form, &path)
            disabled=move || form.locked.get()
            prop:value=move || current.get()
            on:change=choose
        >
            <option value="" selected=move || current.get().is_empty()>{unset}</option>
            {list}
        </select>
    };
    frame::single(form, &field, &path, control.into_any())
}
