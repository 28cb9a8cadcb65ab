//! One-time codes beside passwords.

use crate::access::{SUPER, ask, node, user};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, read_body};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Algorithm, Secret, TOTP};

const ADMIN: &str = "kong_admin";

async fn sign_in<S>(app: &S, path: &str, password: &str, code: Option<&str>) -> (u16, String)
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let basic = BASE64_STANDARD.encode(format!("{ADMIN}:{password}"));
    let mut request = TestRequest::with_uri(path)
        .insert_header(("Kong-Admin-User", ADMIN))
        .insert_header(("Authorization", format!("Basic {basic}")));
    if let Some(code) = code {
        request = request.insert_header(("Kong-Admin-OTP", code));
    }
    let response = app.call(request.to_request()).await.unwrap();
    (response.status().as_u16(), String::from_utf8_lossy(&read_body(response).await).into_owned())
}

#[actix_web::test]
async fn a_password_is_not_enough_where_codes_are_on() {
    let state = node().await;
    let app = crate::app!(state);
    let path = "/admins/self/totp";
    assert_eq!(sign_in(&app, "/auth", SUPER, None).await.0, 200);
    assert_eq!(ask(&app, "PATCH", path, Some(SUPER), Some(json!({"code": "123456"}))).await.0, 409);
    let (status, begun) = ask(&app, "POST", path, Some(SUPER), None).await;
    assert_eq!(status, 201, "{begun}");
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["url"].as_str().unwrap().contains(&secret));
    // Not on before it is confirmed: nobody is locked out by a picture that was not read.
    assert_eq!(sign_in(&app, "/auth", SUPER, None).await.0, 200);
    let codes = TOTP::new(Algorithm::SHA1, 6, 0, 30, Secret::Encoded(secret.clone()).to_bytes().unwrap()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (first, second) = (codes.generate(now), codes.generate(now + 30));
    assert_eq!(ask(&app, "PATCH", path, Some(SUPER), Some(json!({}))).await.0, 400);
    let (status, answer) = ask(&app, "PATCH", path, Some(SUPER), Some(json!({"code": first}))).await;
    assert_eq!((status, answer.contains("\"enabled\":true")), (200, true), "{answer}");
    assert_eq!(ask(&app, "POST", path, Some(SUPER), None).await.0, 409);
    for (password, code, status) in [
        (SUPER, None, 401),
        (SUPER, Some("000000x"), 401),
        (SUPER, Some(first.as_str()), 401),
        ("wrong", Some(second.as_str()), 401),
        (SUPER, Some(second.as_str()), 200),
        (SUPER, Some(second.as_str()), 401),
    ] {
        let (found, answer) = sign_in(&app, "/auth", password, code).await;
        assert_eq!(found, status, "{password} {code:?}: {answer}");
    }
    // Name and password with a single request are a sign-in too.
    let (status, answer) = sign_in(&app, "/services", SUPER, None).await;
    assert!(status == 401 && answer.contains("Kong-Admin-OTP"), "{answer}");
    assert_eq!(ask(&app, "DELETE", path, Some(SUPER), Some(json!({"code": second}))).await.0, 401);
    assert_eq!(ask(&app, "DELETE", "/admins/kong_admin/totp", Some(SUPER), None).await.0, 403);
    for path in
        ["/admins/kong_admin", "/admins/self/totp", "/admins/kong_admin/totp", "/revisions/current?workspaces=all"]
    {
        let (_, answer) = ask(&app, "GET", path, Some(SUPER), None).await;
        assert!(!answer.contains(&secret) && !answer.contains("totp_s"), "{path}: {answer}");
    }
    // Someone who may do as much ends it for who has lost the device, and nobody else.
    user(&app, "ann", &[("*", "*", false)]).await;
    assert_eq!(ask(&app, "DELETE", "/admins/kong_admin/totp", Some("ann"), None).await.0, 403);
    user(&app, "root", &[]).await;
    let rule = json!({"endpoint": "*", "actions": "*", "workspace": "*"});
    assert_eq!(ask(&app, "POST", "/rbac/roles/root-role/endpoints", Some(SUPER), Some(rule)).await.0, 201);
    assert_eq!(ask(&app, "DELETE", "/admins/kong_admin/totp", Some("root"), None).await.0, 204);
    assert_eq!(sign_in(&app, "/auth", SUPER, None).await.0, 200);
}

#[actix_web::test]
async fn codes_are_not_guessed() {
    let state = node().await;
    let app = crate::app!(state);
    let path = "/admins/self/totp";
    let (_, begun) = ask(&app, "POST", path, Some(SUPER), None).await;
    let secret = serde_json::from_str::<Value>(&begun).unwrap()["secret"].as_str().unwrap().to_owned();
    for _ in 0..10 {
        assert_eq!(ask(&app, "PATCH", path, Some(SUPER), Some(json!({"code": "x"}))).await.0, 401);
    }
    let codes = TOTP::new(Algorithm::SHA1, 6, 0, 30, Secret::Encoded(secret).to_bytes().unwrap()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let right = json!({"code": codes.generate(now)});
    assert_eq!(ask(&app, "PATCH", path, Some(SUPER), Some(right)).await.0, 401);
}
