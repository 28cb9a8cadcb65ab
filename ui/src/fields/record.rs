//! Fields inside a field.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;

use super::{Form, control, frame};
use crate::form::{Field, Kind, Path};
use crate::order::sort_by_key;

/// Records that few people change.
const CLOSED: [&str; 7] = ["redis", "queue", "session", "cluster", "sentinel", "healthchecks", "circuit_breaker"];

/// The fields of a record: those one must fill in first, groups last, deprecated ones only where they are in use.
pub fn members(form: Form, fields: &[Field], path: &Path) -> AnyView {
    let mut list: Vec<&Field> = fields
        .iter()
        .filter(|field| {
            let used = || form.draft.with_untracked(|draft| draft.is_set(&path.key(&field.name)));
            field.deprecated.is_none() || used()
        })
        .collect();
    sort_by_key(&mut list, |field| match field.kind {
        Kind::Record(_) => 2,
        _ if field.required && field.default.is_none() => 0,
        _ => 1,
    });
    list.into_iter()
        .map(|field| control(form, Arc::new(field.clone()), path.key(&field.name)))
        .collect_view()
        .into_any()
}

/// Opens what folds these fields up whenever something in there is wrong; otherwise it stays as whoever reads it left it.
pub fn unfolds(form: Form, paths: Vec<Path>) -> NodeRef<html::Details> {
    let node = NodeRef::new();
    Effect::new(move |_| {
        let wrong = form.errors.with(|errors| paths.iter().any(|path| errors.within(path)));
        if let Some(details) = node.get().filter(|_| wrong) {
            let details: web_sys::HtmlDetailsElement = details;
            details.set_open(true);
        }
    });
    node
}

/// A record as a group that opens.
pub fn group(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let open = !CLOSED.contains(&field.name.as_str());
    view! {
        <details class="group" id=path.id() open=open node_ref=unfolds(form, vec![path.clone()])>
            <summary title=field.name.clone()>{field.label()}</summary>
            {frame::notes(form, &field, &path)}
            {members(form, field.members(), &path)}
        </details>
    }
    .into_any()
}
