//! Tokens that users keep beside their own: when they count, and how far.

use access::{Action, Bearer, Policy, Subject, ident};
use entities::{DEFAULT_WORKSPACE, Definitions, Flavor, PluginSchemas, VaultSchemas};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Batch, Catalog, Id, Memory, Record};
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(1);
const ROLE: Uuid = Uuid::from_u128(2);
const TOKEN: Uuid = Uuid::from_u128(3);
const NOW: i64 = 1_000_000;

/// A user that may do everything but change Routes, with a token.
fn policy(user: Value, token: Value) -> Policy {
    let definitions =
        Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true);
    let made = |entity: &'static str, ws: Option<Uuid>, fields: Value, more: Value| {
        let mut value = fields.as_object().cloned().expect("an object");
        value.extend(more.as_object().cloned().expect("an object"));
        let value = definitions.process_insert(entity, value, 1.0).expect("a valid record");
        Record { entity, id: Id::of(&["id"], &value).expect("an id"), ws, value, expires: None }
    };
    let (none, home) = (json!({}), Some(DEFAULT_WORKSPACE));
    let actions = json!(["read", "create", "update", "delete"]);
    let records = vec![
        made("workspaces", None, json!({"id": DEFAULT_WORKSPACE, "name": "default"}), none.clone()),
        made("rbac_users", home, json!({"id": USER, "name": "ann"}), user),
        made("rbac_roles", home, json!({"id": ROLE, "name": "all"}), none.clone()),
        made("rbac_user_roles", None, json!({"user": {"id": USER}, "role": {"id": ROLE}}), none.clone()),
        made(
            "rbac_role_endpoints",
            None,
            json!({"role": {"id": ROLE}, "workspace": "*", "endpoint": "*", "actions": actions}),
            none.clone(),
        ),
        made(
            "rbac_role_endpoints",
            None,
            json!({"role": {"id": ROLE}, "workspace": "*", "endpoint": "/routes", "actions": actions, "negative": true}),
            none.clone(),
        ),
        made(
            "rbac_role_entities",
            None,
            json!({"role": {"id": ROLE}, "entity_id": "*", "entity_type": "wildcard", "actions": actions}),
            none,
        ),
        made(
            "rbac_user_tokens",
            None,
            json!({"id": TOKEN, "user": {"id": USER}, "name": "t", "token": "hash", "token_ident": ident("secret")}),
            token,
        ),
    ];
    let store = Memory::new(Arc::new(Catalog::of(&definitions)));
    store.commit(Batch::replace_all(records)).expect("a consistent state");
    Policy::of(store.current())
}

#[test]
fn a_token_counts_until_its_end() {
    for (user, token, counts) in [
        (json!({}), json!({}), true),
        (json!({}), json!({"expires_at": NOW + 1}), true),
        (json!({}), json!({"expires_at": NOW}), false),
        (json!({}), json!({"expires_at": NOW - 1}), false),
        (json!({"enabled": false}), json!({}), false),
    ] {
        let policy = policy(user.clone(), token.clone());
        let found = policy.candidates(&ident("secret"), NOW);
        let wanted = if counts { vec![(Bearer::Token(TOKEN), "hash".to_owned())] } else { vec![] };
        assert_eq!(found, wanted, "{user} {token}");
        assert!(policy.candidates(&ident("other"), NOW).is_empty());
    }
}

#[test]
fn ids_of_users_are_no_ids_of_tokens() {
    let policy = policy(json!({}), json!({}));
    assert!(policy.bearer(Bearer::Token(USER)).is_none());
    assert!(policy.bearer(Bearer::User(TOKEN)).is_none());
    assert!(policy.bearer(Bearer::Token(TOKEN)).is_some_and(|subject| subject.id == USER && subject.by_token));
    assert!(policy.bearer(Bearer::User(USER)).is_some_and(|subject| !subject.by_token));
}

fn may(subject: &Subject, workspace: Option<Uuid>, path: &str, action: Action) -> bool {
    subject.at(workspace, &access::segments(path).expect("a path"), action).is_allowed()
}

#[test]
fn a_decision_is_what_both_say() {
    let scope = json!({"endpoints": [
        {"workspace": "default", "endpoint": "/services", "actions": ["read"]},
        {"workspace": "default", "endpoint": "/routes", "actions": ["read"]},
        {"workspace": "gone", "endpoint": "*", "actions": ["read"]},
    ]});
    let policy = policy(json!({}), json!({"scope": scope}));
    let (here, elsewhere) = (Some(DEFAULT_WORKSPACE), Some(Uuid::from_u128(9)));
    let user = policy.bearer(Bearer::User(USER)).expect("the user");
    let token = policy.bearer(Bearer::Token(TOKEN)).expect("the token");
    for (workspace, path, action, of_user, of_token) in [
        (here, "/services", Action::Read, true, true),
        (here, "/services", Action::Create, true, false),
        (here, "/routes", Action::Read, false, false),
        (here, "/plugins", Action::Read, true, false),
        (elsewhere, "/services", Action::Read, true, false),
        (None, "/services", Action::Read, true, false),
    ] {
        assert_eq!(may(&user, workspace, path, action), of_user, "{path}");
        assert_eq!(may(&token, workspace, path, action), of_token, "{path}");
    }
    assert!(
        token.is_narrowed() && token.roles.is_empty() && !token.everything(here) && token.any_in(DEFAULT_WORKSPACE)
    );
    assert!(user.everything(here) && !user.is_narrowed());
    // Of entities this scope says nothing.
    assert!(token.with("x", here, Action::Delete) && token.with_all(here, Action::Read));
    let free = token.counting(false, true);
    assert!(may(&free, here, "/routes", Action::Read) && !may(&free, here, "/plugins", Action::Read));
}

#[test]
fn a_scope_of_entities_holds_them_alone() {
    let scope = json!({"entities": [{"entity_id": "one", "actions": ["read"]}]});
    let policy = policy(json!({}), json!({"scope": scope}));
    let token = policy.bearer(Bearer::Token(TOKEN)).expect("the token");
    let here = Some(DEFAULT_WORKSPACE);
    assert!(token.with("one", here, Action::Read) && !token.with("one", here, Action::Update));
    assert!(!token.with("two", here, Action::Read) && !token.with_all(here, Action::Read));
    assert!(token.user_with("two", here, Action::Read));
    assert!(may(&token, here, "/plugins", Action::Delete) && !may(&token, here, "/routes", Action::Read));
}
