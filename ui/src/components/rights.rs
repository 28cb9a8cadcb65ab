//! What a role allows: its permissions on endpoints and on entities, and what they come to.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use super::{Line, badge, button, check, column, empty, grid, loaded, objection, typed};
use crate::api::load;
use crate::entities::KINDS;
use crate::form::plain;
use crate::page::encode;
use crate::permissions::{Action, allows};
use crate::state::{Gateway, gateway, toasts};

/// What a permission is about.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Endpoints,
    Entities,
}

impl Subject {
    /// Its path below the role's, and a part of the ids of its controls.
    fn path(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Entities => "entities",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Endpoints => t!("Endpoint permissions"),
            Self::Entities => t!("Entity permissions"),
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Endpoints => {
                t!(
                    "Paths of the Admin API without the Workspace. “*” alone is every path, and within a path it stands \
                 for one part: /services/*/plugins."
                )
            }
            Self::Entities => {
                t!("Single entities by their id, everything in a Workspace by the Workspace’s id, or all by “*”. They \
                 count where enforce_rbac is “entity” or “both”.")
            }
        }
    }

    /// Where one permission of the role is changed and removed.
    fn one(self, role: &str, permission: &Value) -> String {
        let role = encode(role);
        match self {
            Self::Endpoints => {
                let endpoint = permission["endpoint"].as_str().unwrap_or_default();
                let endpoint: Vec<String> = endpoint.split('/').filter(|s| !s.is_empty()).map(encode).collect();
                let workspace = encode(permission["workspace"].as_str().unwrap_or_default());
                format!("rbac/roles/{role}/endpoints/{workspace}/{}", endpoint.join("/"))
            }
            Self::Entities => {
                format!("rbac/roles/{role}/entities/{}", encode(permission["entity_id"].as_str().unwrap_or_default()))
            }
        }
    }

    /// What it speaks of, in words.
    fn named(self, permission: &Value) -> String {
        match self {
            Self::Endpoints => t!(
                "{endpoint} in {workspace}",
                endpoint = plain(&permission["endpoint"]),
                workspace = plain(&permission["workspace"])
            ),
            Self::Entities => plain(&permission["entity_id"]),
        }
    }
}

/// The sections of a role's page.
pub fn rights(role: &str) -> AnyView {
    view! {
        {editor(Subject::Endpoints, role)}
        {editor(Subject::Entities, role)}
        {effect(role)}
    }
    .into_any()
}

fn editor(of: Subject, role: &str) -> AnyView {
    let gateway = gateway();
    let folder = format!("rbac/roles/{}/{}", encode(role), of.path());
    let path = folder.clone();
    let state = load(move || {
        gateway.track_writes();
        let path = path.clone();
        async move { gateway.get(&path).await }
    });
    let edited = RwSignal::new(None::<Value>);
    let owner = role.to_owned();
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return empty(t!("None yet: what no permission allows is refused.").to_owned(), ().into_any());
        }
        table(gateway, of, &owner, rows, edited)
    };
    let id = format!("rights-{}", of.path());
    let (owner, create) = (role.to_owned(), folder.clone());
    let form = move || {
        let owner = owner.clone();
        // Drawn anew with what is to be changed.
        edited.track();
        gateway.may(Action::Create, &create).then(|| form(gateway, of, &owner, edited))
    };
    view! {
        <section class="card" aria-labelledby=id.clone()>
            <h2 id=id.clone()>{of.title()}</h2>
            <p class="about">{of.about()}</p>
            {loaded(state, show)}
            {form}
        </section>
    }
    .into_any()
}

fn table(gateway: Gateway, of: Subject, role: &str, rows: Vec<Value>, edited: RwSignal<Option<Value>>) -> AnyView {
    let toasts = toasts();
    let head: &[&str] = match of {
        Subject::Endpoints => &[t!("Endpoint"), t!("Workspace")],
        Subject::Entities => &[t!("Entity"), t!("Kind")],
    };
    let columns: [&str; 2] = match of {
        Subject::Endpoints => ["endpoint", "workspace"],
        Subject::Entities => ["entity_id", "entity_type"],
    };
    let row = |permission: Value| {
        let name = of.named(&permission);
        let path = of.one(role, &permission);
        let effect =
            if permission["negative"] == true { badge("bad", t!("Forbids")) } else { badge("good", t!("Allows")) };
        let mut deeds = Vec::new();
        if gateway.may(Action::Update, &path) {
            let permission = permission.clone();
            let change = move || edited.set(Some(permission.clone()));
            deeds.push(button("", t!("Change"), Some(t!("Change {name}", name)), change));
        }
        if gateway.may(Action::Delete, &path) {
            let remove = move || {
                let path = path.clone();
                spawn_local(async move {
                    match gateway.send("DELETE", &path, None).await {
                        Ok(_) => toasts.say(t!("Permission removed.")),
                        Err(failure) => toasts.say(failure.sentence()),
                    }
                });
            };
            deeds.push(button("", t!("Remove"), Some(t!("Remove {name}", name)), remove));
        }
        let about = view! { <code>{plain(&permission[columns[0]])}</code> }.into_any();
        let cells = vec![
            plain(&permission[columns[1]]).into_any(),
            effect,
            plain(&permission["actions"]).into_any(),
            plain(&permission["comment"]).into_any(),
            view! { <div class="actions">{deeds}</div> }.into_any(),
        ];
        super::row(about, cells)
    };
    let rows = rows.into_iter().map(row).collect();
    let head = head
        .iter()
        .chain(&[t!("Effect"), t!("Actions"), t!("Comment"), t!("What to do")])
        .map(|title| column(*title))
        .collect();
    grid(t!("{what} of the role", what = of.title()), of.title().to_owned(), head, rows)
}

/// A new permission, or another form of one that is there.
fn form(gateway: Gateway, of: Subject, role: &str, edited: RwSignal<Option<Value>>) -> AnyView {
    let toasts = toasts();
    let known = edited.get_untracked();
    let start = known.clone().unwrap_or_default();
    let changes = known.is_some();
    let (thing, place, comment) =
        (NodeRef::<html::Input>::new(), NodeRef::<html::Select>::new(), NodeRef::<html::Input>::new());
    let has = |action: Action| match &start["actions"] {
        Value::Array(names) => names.iter().any(|name| name == action.name()),
        _ => action == Action::Read,
    };
    let actions = Action::ALL.map(|action| (action, RwSignal::new(has(action))));
    let negative = RwSignal::new(start["negative"] == true);
    let wrong = RwSignal::new(None::<String>);
    let id = |part: &str| format!("right-{}-{part}", of.path());
    let (folder, own) = (format!("rbac/roles/{}/{}", encode(role), of.path()), role.to_owned());
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        wrong.set(None);
        let chosen: Vec<&str> =
            actions.iter().filter(|(_, chosen)| chosen.get_untracked()).map(|(action, _)| action.name()).collect();
        if chosen.is_empty() {
            return wrong.set(Some(t!("Choose at least one action.").to_owned()));
        }
        let comment = Some(typed(comment)).filter(|text| !text.is_empty());
        let mut body = json!({ "actions": chosen.join(","), "negative": negative.get_untracked(), "comment": comment });
        let (method, path) = match &known {
            Some(permission) => ("PATCH", of.one(&own, permission)),
            None => {
                let text = typed(thing);
                if text.is_empty() {
                    return wrong.set(Some(t!("Say what the permission is for.").to_owned()));
                }
                match of {
                    Subject::Endpoints => {
                        let place = place.get_untracked().map(|select| select.value()).unwrap_or_default();
                        body["endpoint"] = text.into();
                        body["workspace"] = place.into();
                    }
                    Subject::Entities => body["entity_id"] = text.into(),
                }
                ("POST", folder.clone())
            }
        };
        spawn_local(async move {
            match gateway.send(method, &path, Some(&body)).await {
                Ok(_) => {
                    toasts.say(t!("Permission saved."));
                    if let Some(input) = thing.try_get_untracked().flatten() {
                        input.set_value("");
                    }
                    edited.try_set(None);
                }
                Err(failure) => {
                    let fields = failure.body["fields"].as_object();
                    let said: Vec<String> =
                        fields.into_iter().flatten().map(|(name, text)| format!("{name}: {}", plain(text))).collect();
                    let text = if said.is_empty() { failure.sentence() } else { said.join("; ") };
                    wrong.try_set(Some(text));
                }
            }
        });
    };
    let what = (!changes).then(|| match of {
        Subject::Endpoints => {
            gateway.names.want(gateway, "workspaces");
            let here = gateway.workspace();
            let workspaces = move || {
                let mut names = gateway.names.all("workspaces");
                if !names.contains(&here) {
                    names.insert(0, here.clone());
                }
                names.push("*".to_owned());
                let option = |name: String| {
                    let text = if name == "*" { t!("all").to_owned() } else { name.clone() };
                    let selected = name == here;
                    view! { <option value=name selected=selected>{text}</option> }
                };
                names.into_iter().map(option).collect_view()
            };
            let paths = KINDS.iter().flat_map(|kind| [format!("/{}", kind.path), format!("/{}/*", kind.path)]);
            let paths = std::iter::once("*".to_owned()).chain(paths);
            let options: Vec<AnyView> = paths.map(|path| view! { <option value=path></option> }.into_any()).collect();
            let line = Line { id: id("what"), label: t!("Endpoint"), list: Some(id("paths")), ..Line::default() };
            view! {
                {line.view(thing)}
                <datalist id=id("paths")>{options}</datalist>
                <div class="field">
                    <label for=id("place")>{t!("In workspace")}</label>
                    <select id=id("place") node_ref=place>{workspaces}</select>
                </div>
            }
            .into_any()
        }
        Subject::Entities => Line { id: id("what"), label: t!("Entity ID"), ..Line::default() }.view(thing),
    });
    let boxes: Vec<AnyView> = actions
        .iter()
        .map(|(action, chosen)| {
            let chosen = *chosen;
            check(action.name(), chosen.into(), move |on| chosen.set(on))
        })
        .collect();
    let note = Line { id: id("comment"), label: t!("Comment"), start: plain(&start["comment"]), ..Line::default() };
    let title = if changes { t!("Change {name}", name = of.named(&start)) } else { t!("Add a permission").to_owned() };
    let cancel = changes.then(|| button("quiet", t!("Cancel"), None, move || edited.set(None)));
    view! {
        <form class="right" novalidate on:submit=save>
            <h3>{title}</h3>
            <div class="give">{what}{note.view(comment)}</div>
            <fieldset class="field">
                <legend>{t!("Actions")}</legend>
                <div class="checks">{boxes}</div>
            </fieldset>
            {check(t!("Forbid instead of allowing"), negative.into(), move |on| negative.set(on))}
            {objection(wrong, "")}
            <div class="actions">
                <button type="submit">{if changes { t!("Save permission") } else { t!("Add permission") }}</button>
                {cancel}
            </div>
        </form>
    }
    .into_any()
}

/// What the endpoint permissions come to in the Workspace one is in.
fn effect(role: &str) -> AnyView {
    let gateway = gateway();
    let path = format!("rbac/roles/{}/permissions", encode(role));
    let state = load(move || {
        gateway.track_writes();
        let path = path.clone();
        async move { gateway.get(&path).await }
    });
    let show = move |permissions: Value| {
        let workspace = gateway.workspace();
        let row = |kind: &crate::entities::EntityKind| {
            let cells = Action::ALL.map(|action| {
                // One entity stands for all of them.
                let path = match action {
                    Action::Read | Action::Create => kind.path.to_owned(),
                    Action::Update | Action::Delete => format!("{}/some", kind.path),
                };
                match allows(&permissions, &workspace, &path, action) {
                    true => badge("good", t!("Yes")),
                    false => badge("off", t!("No")),
                }
            });
            super::row(kind.many().into_any(), cells.into())
        };
        let rows = KINDS.iter().filter(|kind| kind.has_list() && kind.below.is_none()).map(|kind| row(kind)).collect();
        let head = Action::ALL.map(|action| column(crate::form::label(action.name())));
        let head = std::iter::once(column(t!("Entities"))).chain(head).collect();
        grid(t!("What the role may do").to_owned(), t!("What the role may do").to_owned(), head, rows)
    };
    let title = move || t!("In effect, in the Workspace {workspace}", workspace = gateway.workspace());
    view! {
        <section class="card" aria-labelledby="rights-effect">
            <h2 id="rights-effect">{title}</h2>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}
