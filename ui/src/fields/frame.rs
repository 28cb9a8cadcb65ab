//! What surrounds every control: label, help, what is wrong with it, and the way back to unset.

use leptos::prelude::*;

use super::Form;
use crate::form::{Field, Path, plain};

/// Ids of the texts that describe a control.
pub fn described_by(path: &Path) -> String {
    let id = path.id();
    format!("{id}-help {id}-error")
}

/// Whether something is wrong, for `aria-invalid`.
pub fn invalid(form: Form, path: &Path) -> impl Fn() -> Option<&'static str> + Clone + Send + 'static {
    let path = path.clone();
    move || form.errors.with(|errors| errors.at(&path).is_some().then_some("true"))
}

/// Around a single control with the path's id.
pub fn single(form: Form, field: &Field, path: &Path, control: AnyView) -> AnyView {
    view! {
        <div class="field">
            <div class="field-head">
                <label for=path.id() title=field.name.clone()>{field.label()}</label>
                {mark(field)}
                {reset(form, field, path)}
            </div>
            {control}
            {notes(form, field, path)}
        </div>
    }
    .into_any()
}

/// Around several controls.
pub fn group(form: Form, field: &Field, path: &Path, controls: AnyView) -> AnyView {
    view! {
        <fieldset class="field" aria-describedby=described_by(path) id=path.id() tabindex="-1">
            <legend title=field.name.clone()>{field.label()} {mark(field)}</legend>
            {reset(form, field, path)}
            {controls}
            {notes(form, field, path)}
        </fieldset>
    }
    .into_any()
}

fn mark(field: &Field) -> Option<AnyView> {
    let needed = field.required && field.default.is_none() && !field.generated;
    needed.then(|| view! { <span class="needed">{t!("required")}</span> }.into_any())
}

/// Help and objections, below the control.
pub fn notes(form: Form, field: &Field, path: &Path) -> AnyView {
    let id = path.id();
    let path = path.clone();
    let message = move || form.errors.with(|errors| errors.at(&path));
    let help = field
        .help
        .clone()
        .or_else(|| facts(field))
        .or_else(|| field.deprecated.as_ref().map(|why| t!("Deprecated: {why}", why)));
    view! {
        <p class="help" id=format!("{id}-help")>{help}</p>
        <p class="error" id=format!("{id}-error")>{message}</p>
    }
    .into_any()
}

/// What the description says in numbers.
fn facts(field: &Field) -> Option<String> {
    let mut facts = Vec::new();
    if field.generated {
        facts.push(t!("Leave empty to have one generated.").to_owned());
    }
    if let Some((least, most)) = field.between {
        facts.push(t!("{least} to {most}.", least, most));
    }
    if let Some(start) = &field.starts_with {
        facts.push(t!("Starts with {start}", start));
    }
    (!facts.is_empty()).then(|| facts.join(" "))
}

/// The value taken when nothing is entered, as a placeholder.
pub fn placeholder(field: &Field) -> String {
    field.default.as_ref().map(plain).unwrap_or_default()
}

fn reset(form: Form, field: &Field, path: &Path) -> AnyView {
    let Some(default) = field.default.clone() else { return ().into_any() };
    let (here, name) = (path.clone(), field.label());
    let changed =
        Memo::new(move |_| form.draft.with(|draft| draft.is_set(&here) && draft.value(&here) != Some(&default)));
    let path = path.clone();
    (move || {
        let path = path.clone();
        let name = t!("Use the default of {name}", name);
        (changed.get() && !form.locked.get()).then(move || {
            let back = move |_| form.change(&path, |draft| draft.unset(&path));
            view! { <button type="button" class="quiet reset" aria-label=name on:click=back>{t!("Use default")}</button> }
        })
    })
    .into_any()
}
