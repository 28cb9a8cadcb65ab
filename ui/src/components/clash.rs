//! Somebody else changed what one is about to save.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use serde_json::{Map, Value};

use super::button;
use crate::form::{Draft, Field, Path, clashes, find, plain, way};

/// What both changed, found before it is overwritten.
#[derive(Clone, PartialEq)]
pub struct Clash {
    /// The entity as it is now.
    now: Value,
    mine: Map<String, Value>,
    at: Vec<Path>,
}

impl Clash {
    /// None where what is to be sent does not touch what they changed.
    pub fn found(draft: &Draft, mine: &Map<String, Value>, now: Value, fields: &[Field]) -> Option<Self> {
        let at = clashes(mine, &draft.changed_by(&now, fields), fields);
        (!at.is_empty()).then(|| Self { now, mine: mine.clone(), at })
    }
}

/// Says what it is about, and asks whose counts.
pub fn clash(clash: RwSignal<Option<Clash>>, draft: RwSignal<Draft>, fields: Arc<Vec<Field>>) -> AnyView {
    let node = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if let Some(panel) = node.get() {
            let _ = panel.focus();
        }
    });
    let decide = {
        let fields = fields.clone();
        move |mine: bool| {
            let Some(Clash { now, mine: changes, at }) = clash.get_untracked() else { return };
            let mut kept = Value::Object(changes);
            for path in at.iter().filter(|_| !mine) {
                path.take(&mut kept);
            }
            draft.set(Draft::rebased(now, kept.as_object().unwrap_or(&Map::new()), &fields));
            clash.set(None);
        }
    };
    (move || {
        let found = clash.get()?;
        let mine = Value::Object(found.mine.clone());
        let line = |path: &Path| {
            let told = |value: &Value| match path.get(value).map(plain) {
                _ if is_secret(path, &fields) => "••••••••".to_owned(),
                None => "–".to_owned(),
                Some(text) if text.is_empty() => "–".to_owned(),
                Some(text) => text,
            };
            let words = t!("theirs: {theirs}; yours: {yours}", theirs = told(&found.now), yours = told(&mine));
            view! { <li>{format!("{}: {words}", way(path, &fields))}</li> }.into_any()
        };
        let lines: Vec<AnyView> = found.at.iter().map(line).collect();
        let (keep, take) = (decide.clone(), decide.clone());
        let view = view! {
            <div class="panel bad" role="alert" tabindex="-1" node_ref=node>
                <h2>{t!("Somebody else changed this meanwhile")}</h2>
                <ul>{lines}</ul>
                <p>{t!("Nothing was saved yet. Choose whose values count, look it over, and save again.")}</p>
                <div class="actions">
                    {button("", t!("Keep mine"), None, move || keep(true))}
                    {button("", t!("Take theirs"), None, move || take(false))}
                </div>
            </div>
        };
        Some(view.into_any())
    })
    .into_any()
}

fn is_secret(path: &Path, fields: &[Field]) -> bool {
    let mut members = fields;
    path.steps().iter().any(|step| {
        let field = match step {
            crate::form::Step::Key(name) => find(members, name),
            crate::form::Step::Index(_) => None,
        };
        members = field.map_or(&[], Field::members);
        field.is_some_and(|field| field.secret)
    })
}
