//! One control per kind of field. A control owns no value: it is a view of one place in the draft.

mod choice;
mod choices;
mod foreign;
mod frame;
mod list;
mod map;
mod record;
mod switch;
mod text;
mod tokens;

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use crate::form::{Draft, Errors, Field, Kind, Path};
use crate::state::Gateway;

pub use record::{members, unfolds};

/// What all controls of a form share.
#[derive(Clone, Copy)]
pub struct Form {
    pub draft: RwSignal<Draft>,
    pub errors: RwSignal<Errors>,
    /// Nothing can be changed now.
    pub locked: Signal<bool>,
    pub gateway: Gateway,
    // Take what stands in an input and was not added to its list yet.
    takers: StoredValue<Vec<Callback<()>>>,
}

impl Form {
    pub fn new(draft: RwSignal<Draft>, errors: RwSignal<Errors>, locked: Signal<bool>, gateway: Gateway) -> Self {
        Self { draft, errors, locked, gateway, takers: StoredValue::new(Vec::new()) }
    }

    /// What was typed counts, also where nobody pressed "Add". Not when the input loses the focus: what is below would
    /// move away under the pointer.
    pub fn take_all(self) {
        for taker in self.takers.get_value() {
            // What was in an entry that is gone takes nothing.
            let _ = taker.try_run(());
        }
    }

    fn on_take(self, take: impl Fn() + Send + Sync + 'static) {
        self.takers.update_value(|takers| takers.push(Callback::new(move |()| take())));
    }

    /// Changes the draft at a path; what was said about it no longer counts.
    pub fn change(self, path: &Path, change: impl FnOnce(&mut Draft)) {
        self.draft.update(change);
        if self.errors.with_untracked(|errors| errors.within(path)) {
            self.errors.update(|errors| errors.clear(path));
        }
    }

    /// The value or the default, as the server would see it.
    fn effective(self, path: &Path, field: &Field) -> Option<Value> {
        self.draft.with(|draft| draft.effective(path, field).cloned())
    }
}

/// The control of a field.
pub fn control(form: Form, field: Arc<Field>, path: Path) -> AnyView {
    match &field.kind {
        Kind::Choice(_) => choice::choice(form, field, path),
        // Without a default there are three states.
        Kind::Boolean if field.default.is_none() && !field.required => choice::choice(form, field, path),
        Kind::Boolean => switch::switch(form, field, path),
        Kind::Text { .. } | Kind::Number { .. } | Kind::Json => text::text(form, field, path),
        Kind::Choices(_) => choices::choices(form, field, path),
        Kind::Tokens(token) => tokens::tokens(form, *token, field, path),
        Kind::List(_) => list::list(form, field, path),
        Kind::Map(_) => map::map(form, field, path),
        Kind::Record(_) => record::group(form, field, path),
        Kind::Foreign(_) => foreign::foreign(form, field, path),
    }
}

/// What a new element of a list or map begins with.
fn blank(element: &Field) -> Value {
    match element.kind {
        Kind::Record(_) => Value::Object(serde_json::Map::new()),
        _ => element.default.clone().unwrap_or_default(),
    }
}
