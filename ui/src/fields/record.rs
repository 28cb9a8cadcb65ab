//! Fields inside a field.

use std::sync::Arc;

use leptos::prelude::*;

use super::{Form, control, frame};
use crate::form::{Field, Kind, Path, label};

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
    list.sort_by_key(|field| match field.kind {
        Kind::Record(_) => 2,
        _ if field.required && field.default.is_none() => 0,
        _ => 1,
    });
    list.into_iter()
        .map(|field| control(form, Arc::new(field.clone()), path.key(&field.name)))
        .collect_view()
        .into_any()
}

/// A record as a group that opens.
pub fn group(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    let closed = CLOSED.contains(&field.name.as_str());
    let here = path.clone();
    // It opens when something inside is wrong.
    let open = Memo::new(move |was: Option<&bool>| {
        let wrong = form.errors.with(|errors| errors.within(&here));
        wrong || was.copied().unwrap_or(!closed)
    });
    view! {
        <details class="group" id=path.id() prop:open=move || open.get()>
            <summary title=field.name.clone()>{label(&field.name)}</summary>
            {frame::notes(form, &field, &path)}
            {members(form, field.members(), &path)}
        </details>
    }
    .into_any()
}
