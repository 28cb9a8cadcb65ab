//! What is given to something by name: roles to users, Consumers to groups.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use super::{button, empty, loaded};
use crate::api::{Answer, load};
use crate::entities::{EntityKind, by_key};
use crate::page::{Page, encode};
use crate::permissions::Action;
use crate::state::{gateway, toasts};

/// A request that changes something.
type Change = (&'static str, String, Option<Value>);

/// One sort of it.
struct Assignment {
    /// "Roles".
    title: &'static str,
    /// "Role".
    one: &'static str,
    /// What it is for, where there is none yet.
    about: &'static str,
    /// Kind of what is given.
    kind: &'static str,
    /// Where those that are given are read.
    path: String,
    /// Where they stand in the answer.
    member: &'static str,
    give: Box<dyn Fn(&Value) -> Change + Send + Sync>,
    take: Box<dyn Fn(&Value) -> Change + Send + Sync>,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The roles of a user or of an admin.
pub fn roles_of(holder: &EntityKind, id: &str) -> AnyView {
    let path = format!("{}/{}/roles", holder.path, encode(id));
    let (give, take) = (path.clone(), path.clone());
    assignment(Assignment {
        title: t!("Roles"),
        one: t!("Role"),
        about: t!("Without a role nothing is allowed."),
        kind: "rbac_roles",
        path,
        member: "roles",
        give: Box::new(move |role| ("POST", give.clone(), Some(json!({ "roles": text(role, "name") })))),
        take: Box::new(move |role| ("DELETE", take.clone(), Some(json!({ "roles": text(role, "name") })))),
    })
}

/// The roles that the members of a group have in the Workspace one is in.
pub fn roles_of_group(id: &str) -> AnyView {
    let path = format!("groups/{}/roles", encode(id));
    let (give, take) = (path.clone(), path.clone());
    assignment(Assignment {
        title: t!("Roles"),
        one: t!("Role"),
        about: t!("Its members get the roles that stand here, those of each Workspace given while one is in it."),
        kind: "rbac_roles",
        path,
        member: "data",
        give: Box::new(move |role| {
            let body = json!({ "rbac_role_id": text(role, "id"), "workspace_id": text(role, "ws_id") });
            ("POST", give.clone(), Some(body))
        }),
        take: Box::new(move |link| {
            let body = json!({ "rbac_role_id": link["rbac_role"]["id"], "workspace_id": link["workspace"]["id"] });
            ("DELETE", take.clone(), Some(body))
        }),
    })
}

/// The Consumers of a Consumer group.
pub fn consumers_of_group(id: &str) -> AnyView {
    let path = format!("consumer_groups/{}/consumers", encode(id));
    let (give, take) = (path.clone(), path.clone());
    assignment(Assignment {
        title: t!("Members"),
        one: t!("Consumer"),
        about: t!("The group's plugins act on the Consumers in it."),
        kind: "consumers",
        path: format!("{path}?size=1000"),
        member: "data",
        give: Box::new(move |consumer| ("POST", give.clone(), Some(json!({ "consumer": text(consumer, "id") })))),
        take: Box::new(move |consumer| ("DELETE", format!("{take}/{}", encode(&text(consumer, "id"))), None)),
    })
}

/// The Consumer groups of a Consumer.
pub fn groups_of_consumer(id: &str) -> AnyView {
    let path = format!("consumers/{}/consumer_groups", encode(id));
    let (give, take) = (path.clone(), path.clone());
    assignment(Assignment {
        title: t!("Consumer groups"),
        one: t!("Consumer group"),
        about: t!("Plugins of the groups it is in act on it."),
        kind: "consumer_groups",
        path: format!("{path}?size=1000"),
        member: "data",
        give: Box::new(move |group| ("POST", give.clone(), Some(json!({ "group": text(group, "id") })))),
        take: Box::new(move |group| ("DELETE", format!("{take}/{}", encode(&text(group, "id"))), None)),
    })
}

/// A section with those that are given, and a way to give another.
fn assignment(of: Assignment) -> AnyView {
    let Some(kind) = by_key(of.kind) else { return ().into_any() };
    let of = Arc::new(of);
    let (gateway, toasts) = (gateway(), toasts());
    let id = format!("given-{}", of.kind);
    let asked = of.clone();
    let state = load(move || {
        gateway.track_writes();
        let of = asked.clone();
        async move {
            match gateway.get(&of.path).await {
                Ok(mut page) => Ok(page[of.member].take()),
                // There is nothing of the sort here.
                Err(failure) if failure.status == 404 => Ok(Value::Null),
                Err(failure) => Err(failure),
            }
        }
    });
    let place = of.path.split('?').next().unwrap_or_default().to_owned();
    let may_give = {
        let place = place.clone();
        move || gateway.may(Action::Create, &place)
    };
    let may_take = move || gateway.may(Action::Delete, &place);
    let change = move |(method, path, body): Change, said: String| {
        spawn_local(async move {
            match gateway.send(method, &path, body.as_ref()).await {
                Ok(_) => toasts.say(said),
                Err(failure) => toasts.say(failure.sentence()),
            }
        });
    };
    let (rows, caption) = (of.clone(), of.title);
    let show = move |given: Value| {
        let given = given.as_array().cloned().unwrap_or_default();
        if given.is_empty() {
            return empty(format!("{} {}", t!("None yet."), rows.about), ().into_any());
        }
        let list = given.into_iter().map(|one| {
            // A link between two names what it leads to.
            let role = if one["rbac_role"].is_object() { &one["rbac_role"] } else { &one };
            let name = kind.name_of(role);
            let place = one["workspace"]["id"].as_str().map(|id| {
                gateway.names.want(gateway, "workspaces");
                let id = id.to_owned();
                view! { <span class="muted">" · "{move || gateway.names.of("workspaces", &id)}</span> }
            });
            let (of, label) = (rows.clone(), t!("Remove {name}", name));
            let said = t!("{name} removed.", name);
            let href = Page::Detail(kind, text(role, "id")).href();
            let may_take = may_take.clone();
            let remove = move || {
                let (of, one, said) = (of.clone(), one.clone(), said.clone());
                may_take().then(|| {
                    button("", t!("Remove"), Some(label.clone()), move || change((of.take)(&one), said.clone()))
                })
            };
            view! { <li><span><a href=href>{name}</a>{place}</span>{remove}</li> }.into_any()
        });
        let list: Vec<AnyView> = list.collect();
        view! { <ul class="given" aria-label=caption>{list}</ul> }.into_any()
    };
    let input = NodeRef::<html::Input>::new();
    let wrong = RwSignal::new(None::<String>);
    let (adder, options, error) = (of.clone(), format!("{id}-options"), format!("{id}-error"));
    let field = format!("{id}-name");
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = input.get_untracked() else { return };
        let name = input.value().trim().to_owned();
        if name.is_empty() {
            return wrong.set(Some(t!("Which {one}?", one = adder.one)));
        }
        wrong.set(None);
        let of = adder.clone();
        spawn_local(async move {
            let answer: Answer = async {
                let found = gateway.entity(kind, &name).await?;
                let (method, path, body) = (of.give)(&found);
                gateway.send(method, &path, body.as_ref()).await
            }
            .await;
            match answer {
                Ok(_) => {
                    input.set_value("");
                    toasts.say(t!("{name} added.", name));
                }
                Err(failure) if failure.status == 404 => {
                    wrong.try_set(Some(t!("There is no {one} “{name}” here.", one = of.one, name)));
                }
                Err(failure) => {
                    wrong.try_set(Some(failure.sentence()));
                }
            }
        });
    };
    let names = move || {
        gateway.names.want(gateway, kind.key);
        gateway
            .names
            .all(kind.key)
            .into_iter()
            .map(|name| view! { <option value=name></option> }.into_any())
            .collect::<Vec<AnyView>>()
    };
    let title = id.clone();
    let one = of.one;
    let form = move || {
        may_give().then(|| {
            view! {
                <form class="give" novalidate on:submit=add.clone()>
                    <div>
                        <label for=field.clone()>{t!("{one} to add", one)}</label>
                        <input
                            id=field.clone()
                            node_ref=input
                            list=options.clone()
                            autocomplete="off"
                            aria-describedby=error.clone()
                            aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                        />
                        <datalist id=options.clone()>{names}</datalist>
                        <p class="error" id=error.clone()>{move || wrong.get()}</p>
                    </div>
                    <button type="submit">{t!("Add")}</button>
                </form>
            }
        })
    };
    view! {
        <section class="card" aria-labelledby=title>
            <h2 id=id>{of.title}</h2>
            {loaded(state, show)}
            {form}
        </section>
    }
    .into_any()
}
