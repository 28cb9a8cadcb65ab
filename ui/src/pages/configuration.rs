//! The whole configuration: to take along, and, without a database, to replace.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Map, Value, json};

use crate::api::{Failure, Load, load};
use crate::components::{copy, heading, loaded};
use crate::entities::KINDS;
use crate::form::plain;
use crate::formats::{written, yaml};
use crate::page::{DEFAULT, encode};
use crate::permissions::Action;
use crate::state::{Gateway, gateway, location, toasts};

pub fn configuration() -> AnyView {
    let gateway = gateway();
    let content =
        move || match gateway.node.with(|node| node.ready().map(|node| node["configuration"]["database"] == "off")) {
            Some(true) => editor(gateway),
            Some(false) => view! { {export(gateway)} {super::import::import(gateway)} }.into_any(),
            None => ().into_any(),
        };
    let about = t!("All entities as one declarative file, as decK and nodes without a database read it.");
    view! { {heading(t!("Configuration").to_owned(), Vec::new(), about, ().into_any())} {content} }.into_any()
}

/// Without a database: the file that is in force, and a new one in its place.
fn editor(gateway: Gateway) -> AnyView {
    let state = load(move || async move { Ok(plain(&gateway.get("config").await?["config"])) });
    loaded(state, move |text| form(gateway, text))
}

fn form(gateway: Gateway, text: String) -> AnyView {
    let (place, toasts) = (location(), toasts());
    let node = NodeRef::<html::Textarea>::new();
    let refused = RwSignal::new(Vec::<String>::new());
    let busy = RwSignal::new(false);
    let first = StoredValue::new(text.clone());
    on_cleanup(move || place.unsaved.set(false));
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(text) = node.get_untracked().map(|area| area.value()) else { return };
        refused.set(Vec::new());
        busy.set(true);
        spawn_local(async move {
            let answer = gateway.send("POST", "config?flatten_errors=1", Some(&json!({ "config": text }))).await;
            busy.try_set(false);
            match answer {
                Ok(_) => {
                    first.try_set_value(text);
                    place.unsaved.set(false);
                    toasts.say(t!("The configuration is in force."));
                }
                Err(failure) => {
                    refused.try_set(objections(&failure));
                }
            }
        });
    };
    let typed = move |event: leptos::ev::Event| {
        place.unsaved.set(event_target_value(&event) != first.get_value());
    };
    let objections = move || {
        let list = refused.get();
        (!list.is_empty()).then(|| {
            let list = list.into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
            view! { <div class="panel bad"><h2>{t!("Not taken: the configuration before stays in force")}</h2><ul>{list}</ul></div> }
        })
    };
    view! {
        <form class="card" novalidate on:submit=save aria-busy=move || busy.get().to_string()>
            <div role="alert">{objections}</div>
            <div class="field wide">
                <label for="configuration">{t!("Declarative file (YAML or JSON)")}</label>
                <textarea
                    id="configuration"
                    node_ref=node
                    class="code"
                    rows="24"
                    spellcheck="false"
                    on:input=typed
                    prop:value=text.clone()
                ></textarea>
                <p class="help">{t!("It takes the place of everything this node has, on this node only, and is checked before.")}</p>
            </div>
            <div class="actions">
                <button type="submit" class="main" disabled=move || busy.get()>{t!("Put it in force")}</button>
                {copy(t!("configuration"), move || node.get_untracked().map(|area| area.value()).unwrap_or_default())}
            </div>
        </form>
    }
    .into_any()
}

/// What is wrong with a file, entity by entity.
pub fn objections(failure: &Failure) -> Vec<String> {
    let mut list = Vec::new();
    for entity in failure.body["flattened_errors"].as_array().into_iter().flatten() {
        let name = ["entity_name", "entity_id"]
            .iter()
            .find_map(|name| entity[*name].as_str())
            .unwrap_or(t!("one without a name"));
        for error in entity["errors"].as_array().into_iter().flatten() {
            let (field, message) = (plain(&error["field"]), plain(&error["message"]));
            let field = if field.is_empty() { field } else { format!(", {field}") };
            list.push(format!("{} {name}{field}: {message}", plain(&entity["entity_type"])));
        }
    }
    if let Some(fields) = failure.body["fields"].as_object() {
        list.extend(fields.iter().map(|(name, error)| format!("{name}: {}", plain(error))));
    }
    if list.is_empty() {
        list.push(failure.sentence());
    }
    list
}

/// With a database: the entities of the Workspace one is in, as a file.
fn export(gateway: Gateway) -> AnyView {
    let text = RwSignal::new(None::<Load<String>>);
    let done = RwSignal::new(0_usize);
    let kinds = KINDS.iter().filter(|kind| gateway.may(Action::Read, kind.path) && is_configuration(kind.key)).count();
    let make = move |_| {
        text.set(Some(Load::Waiting));
        done.set(0);
        spawn_local(async move {
            let made = file(gateway, done).await;
            text.try_set(Some(match made {
                Ok(file) => Load::Ready(yaml(&file)),
                Err(failure) => Load::Failed(failure),
            }));
        });
    };
    let shown = move || {
        text.get().map(|state| match state {
            Load::Waiting => view! {
                <p role="status">{t!("Reading the entities…")}</p>
                <progress aria-label=t!("Kinds read") max=kinds value=move || done.get()></progress>
            }
            .into_any(),
            Load::Failed(failure) => crate::components::failure(&failure),
            Load::Ready(text) => {
                let (copied, link) = (text.clone(), format!("data:application/yaml;charset=utf-8,{}", encode(&text)));
                let name = format!("{}.yaml", gateway.workspace());
                view! {
                    <div class="actions">
                        <a class="button" href=link download=name>{t!("Save as a file")}</a>
                        {copy(t!("file"), move || copied.clone())}
                    </div>
                    <pre tabindex="0" aria-label=t!("Declarative file")><code>{text}</code></pre>
                }
                .into_any()
            }
        })
    };
    let title = move || t!("Export of the Workspace {workspace}", workspace = gateway.workspace());
    view! {
        <section class="card" aria-labelledby="configuration-export">
            <h2 id="configuration-export">{title}</h2>
            <p class="about">
                {t!("The file holds what you may read, secrets included: keep it as you keep those. `deck gateway sync`, `silverback config db_import` and gateways without a database take it.")}
            </p>
            <button type="button" on:click=make>{t!("Make the file")}</button>
            {shown}
        </section>
    }
    .into_any()
}

/// Whether entities of this kind stand in declarative files.
fn is_configuration(key: &str) -> bool {
    !matches!(key, "workspaces" | "admins" | "rbac_users" | "rbac_roles" | "groups")
}

/// Every entity that may be read, kind by kind. `done` counts kinds.
async fn file(gateway: Gateway, done: RwSignal<usize>) -> Result<Value, Failure> {
    let mut file = Map::new();
    file.insert("_format_version".into(), "3.0".into());
    let workspace = gateway.workspace();
    if workspace != DEFAULT {
        file.insert("_workspace".into(), workspace.into());
    }
    for kind in KINDS.iter().filter(|kind| is_configuration(kind.key) && gateway.may(Action::Read, kind.path)) {
        let mut folders = vec![kind.path.to_owned()];
        // What is read only below something is read there.
        if let Some(below) = kind.below.as_ref().filter(|below| below.only) {
            let parents = file.get(below.parent).and_then(Value::as_array).cloned().unwrap_or_default();
            folders =
                parents.iter().map(|one| format!("{}/{}/{}", below.parent, plain(&one["id"]), below.path)).collect();
        }
        let mut all = Vec::new();
        for folder in folders {
            all.extend(every(gateway, &folder).await?.iter().map(written));
        }
        if !all.is_empty() {
            // Files point to entities by their id.
            all.iter_mut().for_each(flatten);
            file.insert(kind.key.into(), Value::Array(all));
        }
        done.try_update(|done| *done += 1);
    }
    Ok(Value::Object(file))
}

/// All pages of a list; none where there is no such list.
async fn every(gateway: Gateway, folder: &str) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    match gateway.pages(folder, &[], usize::MAX, &mut |rows| all.extend(rows)).await {
        Err(failure) if failure.status == 404 => Ok(all),
        answer => answer.map(|_| all),
    }
}

/// References by id alone, as declarative files have them.
fn flatten(entity: &mut Value) {
    for value in entity.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        let id = value.as_object().filter(|members| members.len() == 1).and_then(|members| members.get("id")).cloned();
        if let Some(id) = id.filter(Value::is_string) {
            *value = id;
        }
    }
}
