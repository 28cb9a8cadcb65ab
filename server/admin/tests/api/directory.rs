//! Admins whose passwords a directory knows.

use crate::access::{SUPER, ask, node_with};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, read_body};
use admin::{Directory, GateSettings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use exchange::ldap::{Binding, Ldap, LdapEntries, LdapEntry, LdapError, LdapSearch, LdapServer};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HAZEL: &str = "cn=hazel,ou=people,dc=grove";

/// Knows hazel with the password `nut`, and ash with `leaf`.
#[derive(Default)]
struct Grove {
    groups: Mutex<Vec<&'static str>>,
    gone: Mutex<bool>,
}

impl Ldap for Grove {
    fn bind(&self, _: &LdapServer, dn: &str, password: &str, keep: Duration) -> Binding {
        assert_eq!(keep, Duration::ZERO);
        let known = [(HAZEL, "nut"), ("cn=ash,ou=people,dc=grove", "leaf")];
        Binding::Known(known.contains(&(dn, password)))
    }

    fn search(&self, _: &LdapServer, search: LdapSearch) -> LdapEntries {
        let reader = Some(("cn=reader,dc=grove".to_owned(), "r".to_owned()));
        let own = Some((HAZEL.to_owned(), "nut".to_owned()));
        let groups = self.groups.lock().unwrap().clone();
        let found = match (search.base.as_str(), search.filter.as_str()) {
            _ if *self.gone.lock().unwrap() => Err(LdapError::new("it is gone")),
            _ if search.asker != reader && search.asker != own => Err(LdapError::new("who are you?")),
            ("ou=people,dc=grove", "(cn=hazel)") => {
                let groups = groups.iter().map(|name| format!("cn={name},ou=groups,dc=grove")).collect();
                Ok(vec![LdapEntry { dn: HAZEL.to_owned(), attributes: vec![("memberOf".to_owned(), groups)] }])
            }
            ("ou=people,dc=grove", "(cn=ash)") => {
                Ok(vec![LdapEntry { dn: "cn=ash,ou=people,dc=grove".to_owned(), attributes: Vec::new() }])
            }
            ("ou=groups,dc=grove", "(|(member=cn=hazel,ou=people,dc=grove)(member=hazel))") => {
                let entry = |name: &&str| LdapEntry {
                    dn: format!("cn={name},ou=groups,dc=grove"),
                    attributes: vec![("cn".to_owned(), vec![(*name).to_owned()])],
                };
                Ok(groups.iter().map(entry).collect())
            }
            _ => Ok(Vec::new()),
        };
        Box::pin(std::future::ready(found))
    }
}

/// The status of a request by name and password.
async fn status<S>(app: &S, path: &str, name: &str, password: &str) -> u16
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let basic = BASE64_STANDARD.encode(format!("{name}:{password}"));
    let request = TestRequest::with_uri(path)
        .insert_header(("Kong-Admin-User", name))
        .insert_header(("Authorization", format!("Basic {basic}")));
    let response = app.call(request.to_request()).await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers().contains_key("set-cookie"), path == "/auth" && status == 200, "{path}");
    let _ = read_body(response).await;
    status
}

async fn group_of_readers<S>(app: &S)
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let made = |path: &'static str, body: Value| async move {
        let (status, answer) = ask(app, "POST", path, Some(SUPER), Some(body)).await;
        assert!(matches!(status, 200 | 201), "{path}: {answer}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let role = made("/rbac/roles", json!({"name": "gardener"})).await;
    made("/rbac/roles/gardener/endpoints", json!({"endpoint": "/services", "actions": "read"})).await;
    made("/groups", json!({"name": "oaks"})).await;
    let link = json!({"rbac_role_id": role["id"], "workspace_id": entities::DEFAULT_WORKSPACE});
    made("/groups/oaks/roles", link).await;
    made("/admins", json!({"username": "hazel", "email": "hazel@grove.test"})).await;
}

#[actix_web::test]
async fn a_directory_knows_passwords_and_groups() {
    let reader = json!({"bind_dn": "cn=reader,dc=grove", "ldap_password": "r"});
    let members = json!({"group_member_attribute": "member"});
    for more in [reader, members] {
        let grove = Arc::new(Grove::default());
        let mut given = json!({
            "ldap_host": "d.test", "base_dn": "ou=people,dc=grove", "attribute": "cn", "group_base_dn": "ou=groups,dc=grove",
        });
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let directory = Directory::read(given.as_object().unwrap(), grove.clone()).unwrap();
        let settings = GateSettings { endpoints: true, directory: Some(directory), ..GateSettings::default() };
        let state = node_with(settings).await;
        let app = crate::app!(state);
        group_of_readers(&app).await;
        for (name, password) in [("hazel", "leaf"), ("hazel", ""), ("ash", "leaf"), ("kong_admin", SUPER), ("*", "nut")]
        {
            assert_eq!(status(&app, "/auth", name, password).await, 401, "{name} {given}");
        }
        assert_eq!(status(&app, "/services", "hazel", "nut").await, 403, "{given}");
        // The directory's groups are the admin's, each time anew; others of the directory mean nothing here.
        *grove.groups.lock().unwrap() = vec!["oaks", "elms"];
        assert_eq!(status(&app, "/services", "hazel", "nut").await, 200, "{given}");
        assert_eq!(status(&app, "/auth", "hazel", "nut").await, 200, "{given}");
        assert_eq!(status(&app, "/routes", "hazel", "nut").await, 403, "{given}");
        let (_, admin) = ask(&app, "GET", "/admins/hazel", Some(SUPER), None).await;
        assert_eq!(serde_json::from_str::<Value>(&admin).unwrap()["status"], 0, "{admin}");
        grove.groups.lock().unwrap().clear();
        assert_eq!(status(&app, "/services", "hazel", "nut").await, 403, "{given}");
        *grove.gone.lock().unwrap() = true;
        assert_eq!(status(&app, "/auth", "hazel", "nut").await, 401, "{given}");
        assert_eq!(ask(&app, "POST", "/admins/register", None, Some(json!({}))).await.0, 404);
    }
}
