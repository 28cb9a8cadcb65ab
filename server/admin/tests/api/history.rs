//! What was changed, and bringing it back: through the gate, and not around it.

use crate::access::{SUPER, ask, id_in, node, user};
use crate::support::{JSON, call, node as without_database};
use serde_json::{Value, json};

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

macro_rules! told {
    ($app:expr, $method:expr, $path:expr, $token:expr, $body:expr, $status:expr) => {{
        let (status, body) = ask($app, $method, $path, Some($token), $body).await;
        assert_eq!(status, $status, "{} {}: {body}", $method, $path);
        if body.is_empty() { Value::Null } else { parsed(&body) }
    }};
    ($app:expr, $method:expr, $path:expr, $token:expr, $body:expr) => {
        told!($app, $method, $path, $token, $body, 200)
    };
}

async fn newest<S>(app: &S) -> u64
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = actix_web::dev::ServiceResponse,
            Error = actix_web::Error,
        >,
{
    told!(app, "GET", "/revisions?size=1", SUPER, None)["data"][0]["id"].as_u64().expect("a revision")
}

#[actix_web::test]
async fn every_change_is_a_revision_with_a_name_on_it() {
    let state = node().await;
    let app = crate::app!(state);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "s", "host": "old.test"})), 201);
    told!(&app, "PATCH", "/services/s", SUPER, Some(json!({"host": "new.test", "retries": 1})));
    told!(&app, "POST", "/consumers", SUPER, Some(json!({"username": "c"})), 201);
    told!(&app, "POST", "/consumers/c/key-auth", SUPER, Some(json!({"key": "the-secret-key"})), 201);
    let list = told!(&app, "GET", "/revisions?size=2", SUPER, None);
    let (first, second) = (&list["data"][0], &list["data"][1]);
    assert!(first["id"].as_u64() > second["id"].as_u64());
    assert_eq!(first["author"], "kong_admin");
    assert_eq!(first["counts"], json!({"keyauth_credentials": {"create": 1, "update": 0, "delete": 0}}));
    assert_eq!(first["request_id"].as_str().map(str::len), Some(32));
    let next = told!(&app, "GET", list["next"].as_str().expect("more"), SUPER, None);
    assert_eq!(next["data"][0]["counts"]["services"]["update"], 1);
    let id = next["data"][0]["id"].as_u64().expect("a revision");
    let one = told!(&app, "GET", &format!("/revisions/{id}"), SUPER, None);
    assert_eq!(one["changes"][0]["fields"], json!(["host", "retries"]));
    assert_eq!(one["changes"][0]["before"]["host"], "old.test");
    assert_eq!(one["changes"][0]["after"]["host"], "new.test");
    let diff = told!(&app, "GET", &format!("/revisions/{}/diff/current", id - 1), SUPER, None);
    assert_eq!(diff["counts"]["services"]["update"], 1);
    let back = told!(&app, "GET", &format!("/revisions/current/diff/{}", id - 2), SUPER, None);
    assert_eq!(back["counts"]["services"]["delete"], 1);
    for path in ["/revisions/current".to_owned(), format!("/revisions/{id}/diff/current")] {
        let (_, body) = ask(&app, "GET", &path, Some(SUPER), None).await;
        assert!(!body.contains("the-secret-key"), "{path}: {body}");
    }
    // Tokens, hashes and sessions neither.
    let (_, all) = ask(&app, "GET", "/revisions/0/diff/current?workspaces=all&size=1000", Some(SUPER), None).await;
    assert!(all.contains("rbac_users") && !all.contains("argon2") && !all.contains("user_token"), "{all}");
    for (path, status) in [
        ("/revisions/99999", 404),
        ("/revisions/x", 404),
        ("/revisions/-1", 404),
        ("/revisions/+1", 404),
        ("/revisions/18446744073709551616", 404),
        ("/revisions?offset=WyJ4Il0%3D", 400),
        ("/revisions?workspaces=some", 400),
        ("/revisions?size=0", 400),
    ] {
        told!(&app, "GET", path, SUPER, None, status);
    }
}

#[actix_web::test]
async fn a_restored_revision_is_a_new_one() {
    let state = node().await;
    let app = crate::app!(state);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "a", "host": "a.test"})), 201);
    told!(&app, "POST", "/services/a/routes", SUPER, Some(json!({"name": "r", "paths": ["/a"]})), 201);
    told!(&app, "POST", "/consumers", SUPER, Some(json!({"username": "c"})), 201);
    told!(&app, "POST", "/consumers/c/key-auth", SUPER, Some(json!({"key": "k1"})), 201);
    let good = newest(&app).await;
    // The name goes to another Service, and the Route with it.
    told!(&app, "PATCH", "/services/a", SUPER, Some(json!({"name": "b"})));
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "a", "host": "other.test"})), 201);
    told!(&app, "PATCH", "/routes/r", SUPER, Some(json!({"service": {"name": "a"}})));
    told!(&app, "DELETE", "/consumers/c", SUPER, None, 204);
    let ahead = told!(&app, "GET", &format!("/revisions/current/diff/{good}"), SUPER, None);
    let bad = newest(&app).await;
    let done = told!(&app, "POST", &format!("/revisions/{good}/restore"), SUPER, None);
    assert_eq!(done["restored"], good);
    assert_eq!(done["counts"], ahead["counts"]);
    assert_eq!(done["id"].as_u64(), Some(newest(&app).await));
    assert_eq!(told!(&app, "GET", "/services/a", SUPER, None)["host"], "a.test");
    let service = told!(&app, "GET", "/routes/r/service", SUPER, None);
    assert_eq!(service["name"], "a");
    assert_eq!(told!(&app, "GET", "/consumers/c/key-auth", SUPER, None)["data"][0]["key"], "k1");
    // And back again.
    told!(&app, "POST", &format!("/revisions/{bad}/restore"), SUPER, None);
    assert_eq!(told!(&app, "GET", "/services/a", SUPER, None)["host"], "other.test");
    told!(&app, "GET", "/consumers/c", SUPER, None, 404);
    let nothing = told!(&app, "POST", "/revisions/current/restore", SUPER, None);
    assert_eq!(nothing["changes"], json!([]));
    assert_eq!(nothing["id"].as_u64(), Some(newest(&app).await));
}

#[actix_web::test]
async fn rights_that_were_taken_do_not_come_back() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "ann", &[("*", "*", false)]).await;
    let before = newest(&app).await;
    told!(&app, "DELETE", "/rbac/users/ann", SUPER, None, 204);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "s", "host": "s.test"})), 201);
    let done = told!(&app, "POST", &format!("/revisions/{before}/restore"), SUPER, None);
    assert_eq!(done["counts"], json!({"services": {"create": 0, "update": 0, "delete": 1}}));
    told!(&app, "GET", "/services", "ann", None, 401);
    told!(&app, "GET", "/rbac/users/ann", SUPER, None, 404);
}

#[actix_web::test]
async fn a_team_sees_and_restores_its_own_alone() {
    let state = node().await;
    let app = crate::app!(state);
    for name in ["red", "blue"] {
        told!(&app, "POST", "/workspaces", SUPER, Some(json!({"name": name})), 201);
        told!(&app, "POST", &format!("/{name}/rbac/roles"), SUPER, Some(json!({"name": "lead"})), 201);
        let rule = json!({"workspace": name, "endpoint": "*", "actions": "*"});
        told!(&app, "POST", &format!("/{name}/rbac/roles/lead/endpoints"), SUPER, Some(rule), 201);
        let all = json!({"entity_id": "*", "entity_type": "wildcard", "actions": "*"});
        told!(&app, "POST", &format!("/{name}/rbac/roles/lead/entities"), SUPER, Some(all), 201);
        let lead = format!("{name}-lead");
        let made = json!({"name": lead, "user_token": lead});
        told!(&app, "POST", &format!("/{name}/rbac/users"), SUPER, Some(made), 201);
        let roles = json!({"roles": "lead"});
        told!(&app, "POST", &format!("/{name}/rbac/users/{lead}/roles"), SUPER, Some(roles), 201);
    }
    told!(&app, "POST", "/red/services", "red-lead", Some(json!({"name": "s", "host": "red.test"})), 201);
    let red = newest_of(&app, "/red", "red-lead").await;
    told!(&app, "POST", "/blue/services", "blue-lead", Some(json!({"name": "s", "host": "blue-secret.test"})), 201);
    let blue = newest_of(&app, "/blue", "blue-lead").await;
    told!(&app, "PATCH", "/red/services/s", "red-lead", Some(json!({"host": "new.test"})));
    for path in [
        "/red/revisions?size=1000".to_owned(),
        format!("/red/revisions/{red}"),
        format!("/red/revisions/{}/diff/current", red - 1),
        "/red/revisions/0/diff/current?size=1000".to_owned(),
    ] {
        let (status, body) = ask(&app, "GET", &path, Some("red-lead"), None).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("blue"), "{path}: {body}");
    }
    for (method, path, status) in [
        ("GET", format!("/red/revisions/{blue}"), 404),
        ("GET", "/red/revisions?workspaces=all".to_owned(), 403),
        ("GET", format!("/red/revisions/{blue}?workspaces=all"), 403),
        ("GET", format!("/red/revisions/0/diff/{blue}?workspaces=all"), 403),
        ("GET", "/revisions".to_owned(), 403),
        ("GET", "/default/revisions".to_owned(), 403),
        ("GET", "/blue/revisions".to_owned(), 403),
        ("GET", "/red/../blue/revisions".to_owned(), 403),
        ("GET", "/red/%2e%2e/blue/%72evisions".to_owned(), 403),
        ("GET", "//blue//revisions//".to_owned(), 403),
        ("POST", format!("/blue/revisions/{red}/restore"), 403),
        ("POST", format!("/revisions/{red}/restore"), 403),
        ("POST", format!("/red/./../blue/revisions/{red}/%72estore"), 403),
    ] {
        told!(&app, method, &path, "red-lead", None, status);
    }
    // What is restored in one workspace leaves the others as they are.
    let done = told!(&app, "POST", &format!("/red/revisions/{red}/restore"), "red-lead", None);
    assert_eq!(done["counts"], json!({"services": {"create": 0, "update": 1, "delete": 0}}));
    assert_eq!(told!(&app, "GET", "/red/services/s", SUPER, None)["host"], "red.test");
    assert_eq!(told!(&app, "GET", "/blue/services/s", SUPER, None)["host"], "blue-secret.test");
}

async fn newest_of<S>(app: &S, prefix: &str, token: &str) -> u64
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = actix_web::dev::ServiceResponse,
            Error = actix_web::Error,
        >,
{
    let list = told!(app, "GET", &format!("{prefix}/revisions?size=1"), token, None);
    list["data"][0]["id"].as_u64().expect("a revision")
}

#[actix_web::test]
async fn history_tells_and_does_what_the_entities_own_paths_allow() {
    let state = node().await;
    let app = crate::app!(state);
    let start = newest(&app).await;
    let made = told!(&app, "POST", "/services", SUPER, Some(json!({"name": "secret", "host": "hidden.test"})), 201);
    let secret = made["id"].as_str().expect("an id").to_owned();
    told!(&app, "POST", "/consumers", SUPER, Some(json!({"username": "open"})), 201);
    let by_id = format!("/services/{secret}");
    user(&app, "no-services", &[("*", "*", false), ("/services", "*", true), ("/services/*", "*", true)]).await;
    user(&app, "not-that-one", &[("*", "*", false), (&by_id, "*", true)]).await;
    user(&app, "not-by-name", &[("*", "*", false), ("/services/secret", "*", true)]).await;
    user(&app, "reads", &[("*", "read", false), ("/revisions/*/restore", "create", false)]).await;
    user(&app, "history-only", &[("/revisions", "read", false), ("/revisions/*", "read", false)]).await;
    let diff = format!("/revisions/{start}/diff/current?size=1000");
    for token in ["no-services", "not-that-one", "not-by-name", "history-only"] {
        let (status, body) = ask(&app, "GET", "/revisions?size=1000", Some(token), None).await;
        assert!(status == 200 && !body.contains("services"), "{token}: {status} {body}");
        if token != "history-only" {
            let (status, body) = ask(&app, "GET", &diff, Some(token), None).await;
            assert!(
                status == 200 && !body.contains("hidden.test") && body.contains("open"),
                "{token}: {status} {body}"
            );
        }
    }
    // One who may restore, and not write what would change.
    for token in ["no-services", "not-that-one", "not-by-name", "reads"] {
        let (status, body) = ask(&app, "POST", &format!("/revisions/{start}/restore"), Some(token), None).await;
        assert!(status == 403 && !body.contains("hidden") && !body.contains(&secret), "{token}: {status} {body}");
    }
    assert_eq!(told!(&app, "GET", "/services/secret", SUPER, None)["host"], "hidden.test");
    assert_eq!(told!(&app, "GET", "/consumers/open", SUPER, None)["username"], "open");
}

#[actix_web::test]
async fn the_deleted_entities_of_others_are_not_restored_into_ones_own() {
    let state = node().await;
    let app = crate::app!(state);
    told!(&app, "POST", "/rbac/roles", SUPER, Some(json!({"name": "own"})), 201);
    let rule = json!({"endpoint": "*", "actions": "*"});
    told!(&app, "POST", "/rbac/roles/own/endpoints", SUPER, Some(rule), 201);
    told!(&app, "POST", "/rbac/users", SUPER, Some(json!({"name": "eve", "user_token": "eve"})), 201);
    told!(&app, "POST", "/rbac/users/eve/roles", SUPER, Some(json!({"roles": "own"})), 201);
    let made = told!(&app, "POST", "/services", SUPER, Some(json!({"name": "s", "host": "hidden.test"})), 201);
    let with = newest(&app).await;
    told!(&app, "DELETE", "/services/s", SUPER, None, 204);
    told!(&app, "POST", "/services", "eve", Some(json!({"name": "mine", "host": "mine.test"})), 201);
    let (status, body) = ask(&app, "GET", &format!("/revisions/{}/diff/{with}", with - 1), Some("eve"), None).await;
    assert!(status == 200 && !body.contains("hidden.test"), "{body}");
    told!(&app, "POST", &format!("/revisions/{with}/restore"), "eve", None, 403);
    told!(&app, "GET", &format!("/services/{}", made["id"].as_str().expect("an id")), SUPER, None, 404);
    assert_eq!(told!(&app, "GET", "/services/mine", "eve", None)["host"], "mine.test");
}

#[actix_web::test]
async fn what_would_break_a_rule_is_not_restored() {
    let state = node().await;
    let app = crate::app!(state);
    let start = newest(&app).await;
    told!(&app, "POST", "/workspaces", SUPER, Some(json!({"name": "team"})), 201);
    let route = json!({"name": "r", "paths": ["/x"], "hosts": ["x.test"]});
    told!(&app, "POST", "/routes", SUPER, Some(route.clone()), 201);
    let with = newest(&app).await;
    told!(&app, "DELETE", "/routes/r", SUPER, None, 204);
    told!(&app, "POST", "/team/routes", SUPER, Some(route), 201);
    // Another workspace has the traffic by now.
    told!(&app, "POST", &format!("/revisions/{with}/restore"), SUPER, None, 409);
    told!(&app, "GET", "/routes/r", SUPER, None, 404);
    told!(&app, "POST", &format!("/revisions/{start}/restore"), SUPER, None);
    told!(&app, "GET", "/team/routes/r", SUPER, None);
    told!(&app, "PUT", &format!("/revisions/{start}/restore"), SUPER, None, 405);
}

#[actix_web::test]
async fn a_plan_changes_nothing_and_tells_what_may_be_read() {
    let state = node().await;
    let app = crate::app!(state);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "secret", "host": "hidden.test"})), 201);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "s", "host": "s.test"})), 201);
    told!(&app, "POST", "/workspaces", SUPER, Some(json!({"name": "team"})), 201);
    told!(&app, "POST", "/team/services", SUPER, Some(json!({"name": "t", "host": "team.test"})), 201);
    let revision = newest(&app).await;
    let file = json!({"_format_version": "3.0", "services": [{"name": "s", "host": "new.test"}]});
    let plan = told!(&app, "POST", "/config/plan", SUPER, Some(file.clone()));
    assert_eq!(plan["summary"], json!({"create": 0, "update": 1, "delete": 1, "unchanged": 0}));
    assert_eq!(plan["changes"][0]["fields"], json!(["host"]));
    assert_eq!(newest(&app).await, revision);
    assert_eq!(told!(&app, "GET", "/services/s", SUPER, None)["host"], "s.test");
    // A file of a workspace, by its path and by its own word.
    let of_team = json!({"_format_version": "3.0", "_workspace": "team"});
    for (path, file) in [("/config/plan", &of_team), ("/team/config/plan", &json!({"_format_version": "3.0"}))] {
        let plan = told!(&app, "POST", path, SUPER, Some(file.clone()));
        assert_eq!(plan["changes"][0]["before"]["host"], "team.test", "{path}");
        assert_eq!(plan["summary"]["delete"], 1, "{path}");
    }
    user(&app, "ann", &[("*", "*", false), ("/services/secret", "*", true)]).await;
    let (status, body) = ask(&app, "POST", "/config/plan", Some("ann"), Some(file)).await;
    assert!(status == 200 && !body.contains("hidden.test") && !body.contains("secret"), "{status} {body}");
    told!(&app, "POST", "/config/plan", "ann", Some(of_team.clone()), 403);
    told!(&app, "POST", "/team/config/plan", "ann", Some(of_team.clone()), 403);
    let unknown = json!({"_format_version": "3.0", "_workspace": "unknown"});
    told!(&app, "POST", "/config/plan", "ann", Some(unknown), 403);
    let team = told!(&app, "GET", "/workspaces/team", SUPER, None)["id"].clone();
    let listed = json!({"_format_version": "3.0", "workspaces": [{"name": "team", "id": team}],
        "services": [{"name": "t", "host": "x.test", "ws_id": team}]});
    told!(&app, "POST", "/config/plan", "ann", Some(listed), 403);
    told!(
        &app,
        "POST",
        "/team/config/plan",
        SUPER,
        Some(json!({"_format_version": "3.0", "_workspace": "default"})),
        400
    );
    told!(&app, "POST", "/config/plan", SUPER, Some(json!({"_format_version": "9.0"})), 400);
    told!(&app, "GET", "/config/plan", SUPER, None, 405);
    user(&app, "reads", &[("*", "read", false)]).await;
    told!(&app, "POST", "/config/plan", "reads", Some(of_team), 403);
}

#[actix_web::test]
async fn a_file_is_applied_as_one_revision() {
    let state = node().await;
    let app = crate::app!(state);
    let gone = told!(&app, "POST", "/services", SUPER, Some(json!({"name": "gone", "host": "gone.test"})), 201);
    let kept = told!(&app, "POST", "/services", SUPER, Some(json!({"name": "kept", "host": "old.test"})), 201);
    told!(&app, "POST", "/services/gone/routes", SUPER, Some(json!({"name": "r", "paths": ["/x"]})), 201);
    let before = newest(&app).await;
    let file = json!({
        "_format_version": "3.0",
        "services": [{"name": "kept", "host": "new.test", "routes": [{"name": "r", "paths": ["/x"]}]}],
        "consumers": [{"username": "c", "keyauth_credentials": [{"key": "the-secret-key"}]}],
    });
    let applied = told!(&app, "POST", "/config/apply", SUPER, Some(file.clone()));
    assert_eq!(applied["id"], before + 1);
    assert!(!applied.to_string().contains("the-secret-key"), "{applied}");
    assert_eq!(told!(&app, "GET", "/services/kept", SUPER, None)["host"], "new.test");
    assert_eq!(told!(&app, "GET", "/routes/r", SUPER, None)["service"]["id"], kept["id"]);
    assert_eq!(told!(&app, "GET", "/consumers/c/key-auth", SUPER, None)["data"][0]["key"], "the-secret-key");
    told!(&app, "GET", &format!("/services/{}", gone["id"].as_str().expect("an id")), SUPER, None, 404);
    // A second time there is nothing to do, and no revision.
    let again = told!(&app, "POST", "/config/apply", SUPER, Some(file.clone()));
    assert_eq!((&again["id"], &again["changes"]), (&json!(before + 1), &json!([])));
    let plan = told!(&app, "POST", "/config/plan", SUPER, Some(file.clone()));
    assert_eq!(plan["summary"], json!({"create": 0, "update": 0, "delete": 0, "unchanged": 4}));
    // And back.
    told!(&app, "POST", &format!("/revisions/{before}/restore"), SUPER, None);
    assert_eq!(told!(&app, "GET", "/services/gone", SUPER, None)["host"], "gone.test");
}

#[actix_web::test]
async fn a_file_is_applied_by_who_may_do_all_of_it() {
    let state = node().await;
    let app = crate::app!(state);
    told!(&app, "POST", "/workspaces", SUPER, Some(json!({"name": "team"})), 201);
    told!(&app, "POST", "/services", SUPER, Some(json!({"name": "secret", "host": "hidden.test"})), 201);
    user(&app, "ann", &[("*", "*", false), ("/services/secret", "delete", true)]).await;
    let other = json!({"_format_version": "3.0", "services": [{"name": "other", "host": "o.test"}]});
    told!(&app, "POST", "/config/apply", "ann", Some(other.clone()), 403);
    told!(&app, "POST", "/team/config/apply", "ann", Some(other.clone()), 403);
    told!(&app, "POST", "/config/apply", "ann", Some(json!({"_format_version": "3.0", "_workspace": "team"})), 403);
    user(&app, "reads", &[("*", "read", false)]).await;
    told!(&app, "POST", "/config/apply", "reads", Some(other.clone()), 403);
    let unknown =
        json!({"_format_version": "3.0", "_workspace": "unknown", "services": [{"name": "u", "host": "u.test"}]});
    told!(&app, "POST", "/config/apply", SUPER, Some(unknown), 409);
    told!(&app, "POST", "/config/apply", SUPER, Some(json!({"_format_version": "9.0"})), 400);
    told!(&app, "GET", "/config/apply", SUPER, None, 405);
    assert_eq!(told!(&app, "GET", "/services/secret", SUPER, None)["host"], "hidden.test");
    told!(&app, "GET", "/services/other", SUPER, None, 404);
    told!(&app, "POST", "/team/config/apply", SUPER, Some(other));
    assert_eq!(told!(&app, "GET", "/team/services/other", SUPER, None)["host"], "o.test");
    told!(&app, "GET", "/services/other", SUPER, None, 404);
}

#[actix_web::test]
async fn a_plan_needs_no_database() {
    let (state, _) = without_database();
    let app = crate::app!(state);
    let file = json!({"_format_version": "3.0", "services": [{"name": "s", "host": "h.test"}],
        "consumers": [{"username": "c", "keyauth_credentials": [{"key": "the-secret-key"}]}]});
    let body = serde_json::to_vec(&file).expect("JSON");
    let planned = |text: Vec<u8>| parsed(&String::from_utf8(text).expect("text"));
    let (status, text, _) = call(&app, "POST", "/config/plan", JSON, &body).await;
    let shown = String::from_utf8_lossy(&text).into_owned();
    assert!(status == 200 && !shown.contains("the-secret-key"), "{status} {shown}");
    assert_eq!(planned(text)["summary"], json!({"create": 3, "update": 0, "delete": 0, "unchanged": 0}));
    assert_eq!(call(&app, "POST", "/config", JSON, &body).await.0, 201);
    let (_, text, _) = call(&app, "POST", "/config/plan", JSON, &body).await;
    assert_eq!(planned(text)["summary"], json!({"create": 0, "update": 0, "delete": 0, "unchanged": 3}));
    let (_, text, _) = call(&app, "POST", "/config/plan", JSON, br#"{"_format_version": "3.0"}"#).await;
    assert_eq!(planned(text)["summary"], json!({"create": 0, "update": 0, "delete": 3, "unchanged": 0}));
    assert_eq!(call(&app, "GET", "/revisions", None, b"").await.0, 404);
    assert_eq!(call(&app, "POST", "/config/apply", JSON, &body).await.0, 400);
}

#[actix_web::test]
async fn ids_in_answers_are_ids() {
    let state = node().await;
    let app = crate::app!(state);
    let (_, made) = ask(&app, "POST", "/services", Some(SUPER), Some(json!({"name": "s", "host": "h.test"}))).await;
    let one = told!(&app, "GET", "/revisions/current", SUPER, None);
    assert_eq!(one["changes"][0]["id"], id_in(&made));
    assert_eq!(one["changes"][0]["workspace"], entities::DEFAULT_WORKSPACE.to_string());
}
