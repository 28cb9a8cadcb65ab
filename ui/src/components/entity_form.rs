//! Making or changing one entity.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Map, Value};

use super::summary::summary;
use super::{Clash, clash, failure};
use crate::api::Failure;
use crate::entities::EntityKind;
use crate::fields::{Form, control, members, unfolds};
use crate::form::{Draft, Errors, Field, Kind, Path, find, place, problems};
use crate::order::sort_by_key;
use crate::page::Page;
use crate::state::{gateway, location, toasts};

/// What the form is for.
#[derive(Clone)]
pub enum Purpose {
    /// A new entity, with what is known of it.
    Create(Map<String, Value>),
    Edit(Value),
}

#[component]
pub fn EntityForm(
    kind: &'static EntityKind,
    fields: Arc<Vec<Field>>,
    purpose: Purpose,
    /// Sent with a new entity beside what the form holds.
    #[prop(optional)]
    also: Map<String, Value>,
    back: String,
) -> impl IntoView {
    let (gateway, place_of, toasts) = (gateway(), location(), toasts());
    let (draft, id) = match purpose {
        Purpose::Create(start) => (Draft::create(start), None),
        Purpose::Edit(entity) => {
            let id = entity["id"].as_str().map(str::to_owned);
            (Draft::edit(entity), id)
        }
    };
    let draft = RwSignal::new(draft);
    let errors = RwSignal::new(Errors::default());
    let busy = RwSignal::new(false);
    let failed = RwSignal::new(None::<Failure>);
    let clashing = RwSignal::new(None::<Clash>);
    let locked = Signal::derive(move || busy.get() || gateway.is_read_only());
    let form = Form::new(draft, errors, locked, gateway);

    Effect::new(move |_| place_of.unsaved.set(draft.with(Draft::is_dirty)));
    on_cleanup(move || place_of.unsaved.set(false));

    let (known, own_id) = (fields.clone(), id.clone());
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if locked.get_untracked() {
            return;
        }
        form.take_all();
        failed.set(None);
        clashing.set(None);
        errors.set(Errors::default());
        let found = draft.with_untracked(|draft| problems(draft, &known));
        if !found.is_empty() {
            return errors.set(found);
        }
        let mut body = draft.with_untracked(|draft| draft.changes(&known));
        let whole = draft.with_untracked(|draft| draft.current().clone());
        let Some(path) = kind.write_path(&whole, own_id.as_deref()) else {
            return errors.set(Errors::general(t!("Choose whom it belongs to.")));
        };
        if own_id.is_some() && body.is_empty() {
            toasts.say(t!("Nothing was changed."));
            return place_of.go(&Page::Detail(kind, kind.address_of(&whole)).href());
        }
        let changes = own_id.is_some();
        let method = if changes { "PATCH" } else { "POST" };
        if own_id.is_none() {
            body.extend(also.clone());
        }
        let known = known.clone();
        let address = changes.then(|| kind.address_of(&whole));
        busy.set(true);
        spawn_local(async move {
            // What somebody else saved meanwhile is not overwritten unseen.
            if let Some(address) = address {
                let found = gateway
                    .entity(kind, &address)
                    .await
                    .map(|now| draft.try_with_untracked(|draft| Clash::found(draft, &body, now, &known)).flatten());
                match found {
                    Ok(None) => {}
                    Ok(found) => {
                        clashing.try_set(found);
                        busy.try_set(false);
                        return;
                    }
                    Err(failure) => {
                        failed.try_set(Some(failure));
                        busy.try_set(false);
                        return;
                    }
                }
            }
            let answer = gateway.send(method, &path, Some(&Value::Object(body))).await;
            busy.try_set(false);
            match answer {
                Ok(answer) => {
                    let entity = kind.taken_from(answer);
                    let (one, name) = (kind.one(), kind.name_of(&entity));
                    toasts.say(if changes {
                        t!("{one} {name} saved.", one, name)
                    } else {
                        t!("{one} {name} created.", one, name)
                    });
                    place_of.go(&Page::Detail(kind, kind.address_of(&entity)).href());
                }
                Err(failure) if matches!(failure.status, 400 | 409) => {
                    errors.try_set(place(&failure.body, &known));
                }
                Err(failure) => {
                    failed.try_set(Some(failure));
                }
            }
        });
    };
    let preview = {
        let fields = fields.clone();
        move || {
            let body = draft.with(|draft| draft.changes(&fields));
            serde_json::to_string_pretty(&body).unwrap_or_default()
        }
    };
    let verb = if id.is_some() { t!("Save") } else { t!("Create") };
    view! {
        <form class="entity" novalidate on:submit=save aria-busy=move || busy.get().to_string()>
            {summary(errors, fields.clone())}
            {clash(clashing, draft, fields.clone())}
            {move || failed.get().map(|failed| failure(&failed))}
            {sections(form, kind, &fields)}
            <div class="actions">
                <button type="submit" class="main" disabled=move || locked.get()>{verb}</button>
                <a class="button quiet" href=back>{t!("Cancel")}</a>
            </div>
            // Below the buttons: it grows while one leaves a field by pressing them.
            <details class="group">
                <summary>{t!("What will be sent")}</summary>
                <pre tabindex="0" aria-label=t!("Request body")><code>{preview}</code></pre>
            </details>
        </form>
    }
}

/// What most people need, then the configuration of a plugin, then the rest.
fn sections(form: Form, kind: &'static EntityKind, fields: &[Field]) -> AnyView {
    let root = Path::default();
    let needed = |field: &Field| field.required && field.default.is_none() && !matches!(field.kind, Kind::Record(_));
    let is_first =
        |field: &&Field| kind.first.contains(&field.name.as_str()) || field.name == "consumer_group" || needed(field);
    let mut first: Vec<&Field> = fields.iter().filter(is_first).collect();
    sort_by_key(&mut first, |field| kind.first.iter().position(|name| *name == field.name).unwrap_or(usize::MAX));
    // An expression takes the place of hosts, paths and methods.
    if let Some(expression) = find(fields, "expression") {
        first.insert(first.len().min(2), expression);
    }
    let config = find(fields, "config").filter(|config| !config.members().is_empty());
    let rest: Vec<Field> = fields
        .iter()
        .filter(|field| !first.iter().any(|one| one.name == field.name) && config.is_none_or(|c| c.name != field.name))
        .cloned()
        .collect();
    let title = if kind.key == "plugins" { t!("Applies to") } else { t!("General") };
    let scope = (kind.key == "plugins")
        .then(|| view! { <p class="about">{t!("Leave all empty to apply it to every request.")}</p> });
    let configured = config.map(|config| {
        view! {
            <section class="card" aria-labelledby="form-config">
                <h2 id="form-config">{t!("Configuration")}</h2>
                {members(form, config.members(), &root.key("config"))}
            </section>
        }
    });
    let controls =
        first.into_iter().map(|field| control(form, Arc::new(field.clone()), root.key(&field.name))).collect_view();
    let names: Vec<Path> = rest.iter().map(|field| root.key(&field.name)).collect();
    let more = (!rest.is_empty()).then(|| {
        view! {
            <details class="card" node_ref=unfolds(form, names)>
                <summary><h2>{t!("More settings")}</h2></summary>
                {members(form, &rest, &root)}
            </details>
        }
    });
    view! {
        <section class="card" aria-labelledby="form-general">
            <h2 id="form-general">{title}</h2>
            {scope}
            {controls}
        </section>
        {configured}
        {more}
    }
    .into_any()
}
