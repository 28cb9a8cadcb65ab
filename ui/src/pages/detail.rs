//! One entity: its members, what belongs to it, what can be done with it.

use leptos::prelude::*;
use serde_json::Value;

use super::schema::describe;
use crate::api::load;
use crate::components::{
    ConfirmDelete, certificates, consumers_of_group, copy_id, facts, formats, groups_of_consumer, heading, health,
    invitation, loaded, next_steps, related, rights, roles_of, roles_of_group, together, way,
};
use crate::entities::{EntityKind, Group};
use crate::form::{Field, rows};
use crate::page::{DEFAULT, Page, write_query};
use crate::permissions::Action;
use crate::state::{front, gateway};

pub fn detail(kind: &'static EntityKind, id: String) -> AnyView {
    let gateway = gateway();
    let wanted = id.clone();
    let state = load(move || {
        let wanted = wanted.clone();
        async move {
            let entity = gateway.entity_with(kind, &wanted, &write_query(&[kind.more()])).await?;
            let plugin = entity["name"].as_str().filter(|_| kind.key == "plugins");
            // Without its description the entity can still be shown.
            let fields = describe(gateway, kind, plugin).await.unwrap_or_default();
            Ok((entity, fields))
        }
    });
    loaded(state, move |(entity, fields)| show(kind, entity, &fields))
}

fn show(kind: &'static EntityKind, mut entity: Value, fields: &[Field]) -> AnyView {
    let certificates = certificates(kind, &mut entity);
    let gateway = gateway();
    let id = entity["id"].as_str().unwrap_or_default().to_owned();
    let name = kind.name_of(&entity);
    let crumbs = way(kind, &entity);
    let (to, subject) = (Page::Edit(kind, kind.address_of(&entity)), entity.clone());
    let again = duplicate(kind, &entity);
    let after = after(kind, &entity);
    let actions = move || {
        let (subject, then) = (subject.clone(), after.clone());
        let may = |action| gateway.may_with(action, kind, &subject);
        let edit = may(Action::Update).then(|| view! { <a class="button main" href=to.href()>{t!("Edit")}</a> });
        let copy = (kind.group != Group::Access && may(Action::Create))
            .then(|| view! { <a class="button" href=again.clone()>{t!("Duplicate")}</a> });
        let delete = may(Action::Delete).then(|| view! { <ConfirmDelete kind entity=subject.clone() then/> });
        view! { {edit} {copy} {delete} }
    };
    let alone = kind.related.iter().filter(|of| of.together.is_none());
    let parts = alone.map(|of| related(kind, &id, of)).collect_view();
    let groups = together(kind, &id);
    let health = (kind.key == "upstreams").then(|| health(&id, &entity["circuit_breaker"]));
    let next = (kind.key == "plugins").then(|| next_steps(&entity));
    let own = own(kind, &entity);
    view! {
        {heading(name, crumbs, kind.about(), actions.into_any())}
        {certificates}
        <section class="card" aria-labelledby="detail-configuration">
            <div class="heading">
                <h2 id="detail-configuration">{t!("Configuration")}</h2>
                {copy_id(&entity, t!("Copy ID").to_owned())}
            </div>
            {facts(rows(&told(kind, &entity), fields))}
            {formats(kind, &entity)}
        </section>
        {next}
        {own}
        {health}
        {groups}
        {parts}
    }
    .into_any()
}

/// What people have use for: of users and Workspaces not what only the server has.
fn told(kind: &EntityKind, entity: &Value) -> Value {
    let mut told = entity.clone();
    if let Some(members) = told.as_object_mut().filter(|_| kind.group == Group::Access) {
        members.retain(|name, value| {
            kind.only.contains(&name.as_str()) || !(value.is_object() || MADE.contains(&name.as_str()))
        });
    }
    told
}

/// Members of users, roles and Workspaces that follow from others.
const MADE: [&str; 4] = ["is_default", "status", "username_lower", "ws_id"];

/// What only this kind has.
fn own(kind: &'static EntityKind, entity: &Value) -> AnyView {
    let id = entity["id"].as_str().unwrap_or_default();
    match kind.key {
        "admins" => view! { {invitation(entity)} {roles_of(kind, id)} }.into_any(),
        "rbac_users" => roles_of(kind, id),
        "rbac_roles" => rights(id),
        "groups" => roles_of_group(id),
        "consumer_groups" => consumers_of_group(id),
        "consumers" if gateway().has_database() => groups_of_consumer(id),
        "workspaces" => {
            let name = entity["name"].as_str().unwrap_or_default();
            let to = front(if name == DEFAULT { "" } else { name });
            view! { <p><a class="button" href=to>{t!("Go to {name}", name)}</a></p> }.into_any()
        }
        _ => ().into_any(),
    }
}

/// The form of a new entity that begins as this one.
fn duplicate(kind: &'static EntityKind, entity: &Value) -> String {
    let to = match entity["name"].as_str().filter(|_| kind.key == "plugins") {
        Some(name) => Page::CreatePlugin(name.to_owned()),
        None => Page::Create(kind),
    };
    to.with(&[("copy", &kind.address_of(entity))])
}

/// Where one is after it was deleted: at what it belonged to, where it has no list of its own.
fn after(kind: &'static EntityKind, entity: &Value) -> Page {
    let parent = kind.below.as_ref().and_then(|below| {
        let of = crate::entities::by_path(below.parent)?;
        Some(Page::Detail(of, entity[below.field]["id"].as_str()?.to_owned()))
    });
    parent.unwrap_or(Page::List(kind))
}
