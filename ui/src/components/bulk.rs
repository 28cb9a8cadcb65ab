//! Doing the same with several entities.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use super::button;
use super::listing::Selection;
use crate::entities::EntityKind;
use crate::permissions::Action;
use crate::state::{gateway, toasts};

/// What is done.
#[derive(Clone, PartialEq)]
enum Deed {
    Enable(bool),
    AddTag(String),
    RemoveTag(String),
    Delete,
}

impl Deed {
    /// Method and body for one entity; none where nothing would change.
    fn on(&self, entity: &Value) -> Option<(&'static str, Option<Value>)> {
        let mut tags: Vec<Value> = entity["tags"].as_array().cloned().unwrap_or_default();
        let has = |tag: &String, tags: &[Value]| tags.iter().any(|one| one == tag);
        match self {
            Self::Enable(on) => (entity["enabled"] != *on).then(|| ("PATCH", Some(json!({ "enabled": on })))),
            Self::AddTag(tag) => (!has(tag, &tags)).then(|| {
                tags.push(tag.clone().into());
                ("PATCH", Some(json!({ "tags": tags })))
            }),
            Self::RemoveTag(tag) => has(tag, &tags).then(|| {
                tags.retain(|one| one != tag);
                ("PATCH", Some(json!({ "tags": tags })))
            }),
            Self::Delete => Some(("DELETE", None)),
        }
    }
}

/// How far it is.
#[derive(Clone, Default, PartialEq)]
struct Progress {
    done: usize,
    of: usize,
    /// Name and reason of what did not work.
    failed: Vec<(String, String)>,
}

/// What can be done with the chosen ones, while there are any.
pub fn bulk(kind: &'static EntityKind, selection: Selection) -> AnyView {
    let (gateway, toasts) = (gateway(), toasts());
    let progress = RwSignal::new(None::<Progress>);
    let dialog = NodeRef::<html::Dialog>::new();
    let tag = NodeRef::<html::Input>::new();
    let busy = move || progress.with(|progress| progress.as_ref().is_some_and(|p| p.done < p.of));
    let go = move |deed: Deed| {
        let chosen: Vec<Value> = selection.with_untracked(|selected| selected.values().cloned().collect());
        let work: Vec<(String, Option<String>, &str, Option<Value>)> = chosen
            .iter()
            .filter_map(|entity| {
                let (method, body) = deed.on(entity)?;
                Some((kind.name_of(entity), kind.write_path(entity, entity["id"].as_str()), method, body))
            })
            .collect();
        let of = work.len();
        progress.set(Some(Progress { of, ..Progress::default() }));
        spawn_local(async move {
            let mut failed = Vec::new();
            for (done, (name, path, method, body)) in work.into_iter().enumerate() {
                if let Some(path) = path
                    && let Err(failure) = gateway.send_quietly(method, &path, body.as_ref()).await
                {
                    failed.push((name, failure.sentence()));
                }
                let now = Progress { done: done + 1, of, failed: failed.clone() };
                // The page was left: what is under way is the last.
                if progress.try_set(Some(now)).is_some() {
                    break;
                }
            }
            let worked = of - failed.len();
            toasts.say(t!("{worked} of {of} changed.", worked, of));
            if failed.is_empty() {
                progress.try_set(None);
                selection.try_set(Default::default());
            }
            gateway.wrote();
        });
    };
    let tagged = move |deed: fn(String) -> Deed| {
        let Some(input) = tag.get_untracked() else { return };
        let text = input.value().trim().to_owned();
        if text.is_empty() {
            let _ = input.focus();
        } else {
            go(deed(text));
        }
    };
    let has = |name: &str| kind.columns.contains(&name) || kind.first.contains(&name);
    let (switches, tags) = (has("enabled"), has("tags"));
    let may = move |action| selection.with(|selected| selected.values().all(|one| gateway.may_with(action, kind, one)));
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let ask = move || {
        if let Some(dialog) = dialog.get_untracked() {
            let _ = dialog.show_modal();
        }
    };
    let count = move || selection.with(|selected| selected.len());
    let bar = move || {
        (count() > 0).then(|| {
            let update = may(Action::Update);
            let deed = |class: &'static str, text: &'static str, press: Box<dyn Fn()>| {
                let press = move || {
                    if !untrack(busy) {
                        press();
                    }
                };
                button(class, text, None, press)
            };
            let mut deeds = Vec::new();
            if update && switches {
                deeds.push(deed("", t!("Enable"), Box::new(move || go(Deed::Enable(true)))));
                deeds.push(deed("", t!("Disable"), Box::new(move || go(Deed::Enable(false)))));
            }
            if update && tags {
                let line = view! {
                    <label class="unseen" for="bulk-tag">{t!("Tag")}</label>
                    <input id="bulk-tag" node_ref=tag placeholder=t!("Tag") autocomplete="off"/>
                };
                deeds.push(line.into_any());
                deeds.push(deed("", t!("Add tag"), Box::new(move || tagged(Deed::AddTag))));
                deeds.push(deed("", t!("Remove tag"), Box::new(move || tagged(Deed::RemoveTag))));
            }
            if may(Action::Delete) {
                deeds.push(deed("bad", t!("Delete"), Box::new(ask)));
            }
            view! {
                <div class="bulk" role="region" aria-label=t!("What to do with the chosen ones")>
                    <strong role="status">{move || t!("{count} chosen", count = count())}</strong>
                    {deeds}
                </div>
            }
        })
    };
    let report = move || {
        progress.get().map(|progress| {
            let failed =
                progress.failed.iter().map(|(name, why)| view! { <li>{format!("{name}: {why}")}</li> }).collect_view();
            let running = progress.done < progress.of;
            let bar = running.then(|| {
                view! { <progress aria-label=t!("Done") max=progress.of value=progress.done></progress> }
            });
            let failed = (!progress.failed.is_empty()).then(
                || view! { <div class="panel bad" role="alert"><h2>{t!("Not done")}</h2><ul>{failed}</ul></div> },
            );
            view! { {bar} {failed} }
        })
    };
    let delete = move || {
        close();
        go(Deed::Delete);
    };
    view! {
        {bar}
        {report}
        <dialog node_ref=dialog aria-labelledby="bulk-title">
            <h2 id="bulk-title">{move || t!("Delete {count} {many}?", count = count(), many = kind.many())}</h2>
            <p>{kind.cascades()}</p>
            <p>{t!("This cannot be undone.")}</p>
            <div class="actions">
                <button type="button" autofocus on:click=move |_| close()>{t!("Cancel")}</button>
                {button("bad", t!("Delete all"), None, delete)}
            </div>
        </dialog>
    }
    .into_any()
}
