//! Tests of the plugin: grants, and tokens in use, against records in memory.

use super::*;
use crate::testing::{Drawer, Manner, People, access, plugin_with, request, sent, service, services, with_body};
use exchange::{NoRecords, Scheme};

/// The second at which requests come.
const NOW: i64 = 1_700_000_000;

struct House {
    plugin: Oauth2,
    drawer: Drawer,
    clients: Vec<(u128, Value)>,
}

fn client(id: &str, more: &Value) -> Value {
    let mut client = json!({
        "client_id": id, "client_secret": "kiosk-secret", "client_type": "confidential", "hash_secret": false,
        "redirect_uris": ["http://kiosk.test/back", "http://kiosk.test/two?keep=1"],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        client[name] = value.clone();
    }
    client
}

impl House {
    fn new(mut config: Value) -> Self {
        config["provision_key"] = "prov".into();
        config["scopes"] = json!(["read", "write"]);
        let drawer = Drawer::default();
        let services = Services { records: Arc::new(drawer.clone()), ..services() };
        let about = About { id: Uuid::from_u128(44), ..About::default() };
        let clients = vec![
            (61, client("kiosk", &json!({}))),
            (62, client("phone", &json!({ "client_type": "public", "client_secret": null }))),
            (63, client("other", &json!({}))),
        ];
        Self { plugin: plugin_with(config, &about, &services), drawer, clients }
    }

    fn people(&self) -> People {
        let mut people = People::new(Manner::Waits);
        for (id, client) in &self.clients {
            people = people.credential(APPLICATIONS, *id, 1, client.clone());
        }
        people.credentials.extend(self.drawer.of(TOKENS));
        people
    }

    fn post(&self, path: &str, form: &str) -> Exchange {
        let plain = request("POST", path, &[], self.people());
        let mut exchange = with_body(plain, "application/x-www-form-urlencoded", form.to_owned());
        exchange.request.scheme = Scheme::Https;
        exchange.service = Some(service());
        exchange
    }

    fn answer(&self, mut exchange: Exchange) -> (u16, Value, Exchange) {
        let status = access(&self.plugin, &mut exchange).unwrap_or_default();
        let body = serde_json::from_slice(&exchange.response.body).unwrap_or_default();
        if status != 500 && exchange.request.path.starts_with(b"/oauth2/") {
            assert_eq!(exchange.response.headers.get_str("cache-control"), Some("no-store"));
            assert_eq!(exchange.response.headers.get_str("pragma"), Some("no-cache"));
        }
        (status, body, exchange)
    }

    fn token(&self, form: &str) -> (u16, Value) {
        let (status, body, _) = self.answer(self.post("/oauth2/token", form));
        (status, body)
    }

    fn authorize(&self, form: &str) -> (u16, Value) {
        let (status, body, _) = self.answer(self.post("/oauth2/authorize/", form));
        (status, body)
    }

    fn resource(&self, target: &str, headers: &[(&str, &str)]) -> (u16, Value, Exchange) {
        let mut exchange = request("GET", target, headers, self.people());
        exchange.service = Some(service());
        self.answer(exchange)
    }
}

fn error(error: &str, description: &str) -> (u16, Value) {
    (400, json!({ "error": error, "error_description": description }))
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

/// A parameter of the URI in an answer.
fn redirected(body: &Value, name: &str) -> Option<String> {
    let uri = text(body, "redirect_uri");
    let (_, tail) = uri.split_once(['?', '#'])?;
    tail.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

const KIOSK: &str = "client_id=kiosk&client_secret=kiosk-secret";
const CODE: &str = "client_id=kiosk&response_type=code&provision_key=prov&authenticated_userid=u-77";

#[test]
fn a_code_is_good_for_one_token_that_names_the_user() {
    let house = House::new(json!({ "enable_authorization_code": true }));
    let (status, body) = house.authorize(&format!("{CODE}&scope=read&state=s9"));
    assert_eq!((status, redirected(&body, "state").as_deref()), (200, Some("s9")));
    let code = redirected(&body, "code").unwrap();
    assert_eq!(house.drawer.of(CODES)[0].expires, Some(NOW + 300));
    let form = format!("grant_type=authorization_code&{KIOSK}&code={code}");
    let other = form.replace("kiosk&", "other&");
    assert_eq!(house.token(&other), error("invalid_request", "Invalid code"));
    let (status, body) = house.token(&form);
    assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &json!("bearer"), &json!(7200)));
    assert_eq!(text(&body, "refresh_token").len(), 32);
    assert_eq!(house.drawer.of(TOKENS)[0].expires, Some(NOW + 1_209_600));
    assert_eq!(house.token(&form), error("invalid_request", "Invalid code"));

    let bearer = format!("Bearer {}", text(&body, "access_token"));
    let (status, _, exchange) = house.resource(
        "/",
        &[("Authorization", &bearer), ("X-Authenticated-Scope", "root"), ("X-Authenticated-Userid", "0")],
    );
    assert_eq!(status, 0);
    assert_eq!(
        sent(&exchange, &[SCOPE, USER]),
        "X-Authenticated-Scope=read X-Authenticated-Userid=u-77 \
         X-Consumer-ID=00000000-0000-0000-0000-000000000001 X-Consumer-Custom-ID=m-1 X-Consumer-Username=maya \
         X-Credential-Identifier=kiosk"
    );
}

#[test]
fn what_is_wrong_with_an_authorization_is_said() {
    let house = House::new(json!({ "enable_authorization_code": true }));
    for (form, refusal) in [
        (CODE.replace("prov&", "no&"), error("invalid_provision_key", "Invalid provision_key")),
        (CODE.replace("u-77", "+"), error("invalid_authenticated_userid", "Missing authenticated_userid parameter")),
        (CODE.replace("kiosk", "nobody"), error("invalid_client", "Invalid client authentication")),
    ] {
        assert_eq!(house.authorize(&form), refusal, "{form}");
    }
    for (form, name, description) in [
        (CODE.replace("=code", "=token"), "unsupported_response_type", "Invalid%20response_type"),
        (format!("{CODE}&scope=read+fly"), "invalid_scope", "%22fly%22%20is%20an%20invalid%20scope"),
        (
            format!("{CODE}&redirect_uri=http://evil.test"),
            "invalid_request",
            "Invalid%20redirect_uri%20that%20does%20not%20match%20with%20any%20redirect_uri%20created%20with%20the%20application",
        ),
        (CODE.replace("kiosk", "phone"), "invalid_request", "code_challenge%20is%20required%20for%20public%20clients"),
    ] {
        let (status, body) = house.authorize(&form);
        assert_eq!((status, redirected(&body, "error").as_deref()), (400, Some(name)), "{form}");
        assert_eq!(redirected(&body, "error_description").as_deref(), Some(description));
        assert!(text(&body, "redirect_uri").starts_with("http://kiosk.test/back?"));
    }
    let mut exchange = house.post("/oauth2/authorize", CODE);
    exchange.request.scheme = Scheme::Http;
    assert_eq!(house.answer(exchange).1, error("access_denied", "You must use HTTPS").1);
    let (status, body) = house.authorize(&format!("{CODE}&redirect_uri=http://kiosk.test/two?keep=1"));
    assert!(status == 200 && text(&body, "redirect_uri").starts_with("http://kiosk.test/two?keep=1&code="));
}

#[test]
fn the_implicit_grant_answers_in_the_fragment() {
    let house = House::new(json!({ "enable_implicit_grant": true }));
    let (status, body) = house.authorize(&CODE.replace("=code", "=token"));
    assert!(status == 200 && text(&body, "redirect_uri").starts_with("http://kiosk.test/back#"));
    assert_eq!(redirected(&body, "expires_in").as_deref(), Some("7200"));
    assert_eq!(redirected(&body, "refresh_token"), None);
    let bearer = format!("token {}", redirected(&body, "access_token").unwrap());
    assert_eq!(house.resource("/", &[("Authorization", &bearer)]).0, 0);
}

#[test]
fn public_applications_prove_that_they_asked() {
    let house = House::new(json!({ "enable_authorization_code": true, "enable_client_credentials": true }));
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let (_, body) = house.authorize(&format!("{}&{challenge}", CODE.replace("kiosk", "phone")));
    let code = redirected(&body, "code").unwrap();
    let form = format!("grant_type=authorization_code&client_id=phone&code={code}");
    let verifier = "code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(
        house.token(&format!("{form}&client_secret=any&{verifier}")),
        error("invalid_request", "client_secret is disallowed for public clients")
    );
    assert_eq!(
        house.token(&form),
        error("invalid_request", "code_verifier is required for PKCE authorization requests")
    );
    assert_eq!(house.token(&format!("{form}&code_verifier={}", "x".repeat(43))).1, json!({ "error": "invalid_grant" }));
    assert_eq!(house.token(&format!("{form}&{verifier}")).0, 200);
    let alone = house.token("grant_type=client_credentials&client_id=phone");
    assert_eq!(alone, error("invalid_client", "Invalid client authentication"));
}

#[test]
fn applications_get_tokens_for_themselves() {
    let house = House::new(json!({ "enable_client_credentials": true }));
    let (status, body) = house.token(&format!("grant_type=client_credentials&{KIOSK}&state=st&scope=write+read"));
    assert_eq!((status, text(&body, "state"), body.get("refresh_token")), (200, "st".to_owned(), None));
    assert_eq!(house.drawer.of(TOKENS)[0].text("scope"), Some("write read"));
    let invalid = error("invalid_client", "Invalid client authentication");
    for (form, refusal) in [
        ("grant_type=client_credentials&client_id=kiosk&client_secret=no".to_owned(), invalid.clone()),
        ("grant_type=client_credentials&client_id=kiosk".to_owned(), invalid.clone()),
        ("grant_type=client_credentials&client_id=nobody&client_secret=x".to_owned(), invalid.clone()),
        ("grant_type=client_credentials".to_owned(), invalid.clone()),
        (format!("grant_type=wish&{KIOSK}"), error("unsupported_grant_type", "Invalid grant_type")),
        (KIOSK.to_owned(), error("unsupported_grant_type", "Invalid grant_type")),
        (
            format!("grant_type=password&{KIOSK}&provision_key=prov&authenticated_userid=u"),
            error("unsupported_grant_type", "Invalid grant_type"),
        ),
        (
            format!("grant_type=client_credentials&{KIOSK}&authenticated_userid=u"),
            error("invalid_provision_key", "Invalid provision_key"),
        ),
        (
            format!("grant_type=client_credentials&{KIOSK}&scope=fly"),
            error("invalid_scope", "\"fly\" is an invalid scope"),
        ),
    ] {
        assert_eq!(house.token(&form), refusal, "{form}");
    }
    for (credentials, status) in [("kiosk:kiosk-secret", 200), ("kiosk:wrong", 401), ("nobody:x", 401), ("x", 401)] {
        use base64::Engine;
        let mut exchange = house.post("/oauth2/token", "grant_type=client_credentials");
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        exchange.request.headers.append("Authorization", value);
        let (seen, _, exchange) = house.answer(exchange);
        assert_eq!(seen, status, "{credentials}");
        let challenge = exchange.response.headers.get_str("www-authenticate");
        assert_eq!(challenge, (status == 401).then_some("Basic realm=\"OAuth2.0\""), "{credentials}");
    }
}

#[test]
fn refresh_tokens_are_good_once_or_again() {
    for (reuse, alive) in [(false, false), (true, true)] {
        let house = House::new(json!({ "enable_password_grant": true, "reuse_refresh_token": reuse }));
        let form = format!("grant_type=password&{KIOSK}&provision_key=prov&authenticated_userid=u-77&scope=read");
        let (_, first) = house.token(&form);
        let refresh = format!("grant_type=refresh_token&{KIOSK}&refresh_token={}", text(&first, "refresh_token"));
        assert_eq!(
            house.token(&refresh.replace("kiosk&", "other&")),
            error("invalid_client", "Invalid client authentication")
        );
        assert_eq!(house.token(&format!("{refresh}&scope=write")), error("invalid_scope", "Scope mismatch"));
        let (status, second) = house.token(&refresh);
        assert_eq!(status, 200);
        assert_eq!(text(&second, "refresh_token") == text(&first, "refresh_token"), reuse);
        assert_eq!(house.drawer.of(TOKENS).len(), 1);
        let bearer = |body: &Value| format!("Bearer {}", text(body, "access_token"));
        let (_, _, exchange) = house.resource("/", &[("Authorization", &bearer(&second))]);
        assert_eq!(exchange.request.headers.get_str(USER), Some("u-77"));
        assert_eq!(house.resource("/", &[("Authorization", &bearer(&first))]).0, 401);
        assert_eq!(house.token(&refresh).0 == 200, alive);
    }
}

#[test]
fn the_password_grant_needs_a_provision_key_and_a_user() {
    let house = House::new(json!({ "enable_password_grant": true, "mandatory_scope": true }));
    for (form, refusal) in [
        ("provision_key=no&authenticated_userid=u", error("invalid_provision_key", "Invalid provision_key")),
        ("provision_key=prov", error("invalid_authenticated_userid", "Missing authenticated_userid parameter")),
        ("provision_key=prov&authenticated_userid=u", error("invalid_scope", "You must specify a scope")),
    ] {
        assert_eq!(house.token(&format!("grant_type=password&{KIOSK}&{form}")), refusal, "{form}");
    }
}

#[test]
fn tokens_end_and_belong_to_a_service() {
    let house = House::new(json!({ "enable_client_credentials": true, "token_expiration": 5, "realm": "dock" }));
    let (_, body) = house.token(&format!("grant_type=client_credentials&{KIOSK}"));
    let bearer = format!("Bearer {}", text(&body, "access_token"));
    let at = |second: u64, service: Option<Arc<entities::Service>>| {
        let mut exchange = request("GET", "/", &[("Authorization", &bearer)], house.people());
        exchange.timeline = crate::testing::at(second);
        exchange.service = service;
        house.answer(exchange)
    };
    assert_eq!(at(1_700_000_005, Some(service())).0, 0);
    let (status, body, exchange) = at(1_700_000_006, Some(service()));
    assert_eq!((status, text(&body, "error_description")), (401, INVALID.to_owned()));
    let challenge = "Bearer realm=\"dock\" error=\"invalid_token\" error_description=\"The access token is invalid or has expired\"";
    assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some(challenge));
    assert_eq!(at(1_700_000_001, None).1["error"], "invalid_token");

    let global = House::new(json!({ "enable_client_credentials": true, "global_credentials": true }));
    let (_, body) = global.token(&format!("grant_type=client_credentials&{KIOSK}"));
    let bearer = format!("Bearer {}", text(&body, "access_token"));
    assert_eq!(global.resource("/", &[("Authorization", &bearer)]).0, 0);
    let elsewhere = House { drawer: global.drawer.clone(), ..House::new(json!({ "enable_client_credentials": true })) };
    let (status, body, _) = elsewhere.resource("/", &[("Authorization", &bearer)]);
    assert_eq!((status, text(&body, "error_description")), (401, GLOBAL.to_owned()));
}

#[test]
fn tokens_are_found_and_hidden_where_they_may_stand() {
    let house =
        House::new(json!({ "enable_client_credentials": true, "hide_credentials": true, "anonymous": "guest" }));
    let (_, body) = house.token(&format!("grant_type=client_credentials&{KIOSK}"));
    let token = text(&body, "access_token");
    let (_, _, exchange) = house.resource("/", &[("Authorization", &format!("bearer {token}"))]);
    assert_eq!(exchange.identity.consumer.as_ref().and_then(|consumer| consumer.username.as_deref()), Some("maya"));
    assert!(!exchange.request.headers.contains("authorization"));
    let (_, _, exchange) = house.resource(&format!("/?k=v&access_token={token}"), &[]);
    assert_eq!(exchange.forward.query.as_deref(), Some(b"k=v".as_slice()));
    let (_, _, exchange) = house.answer(house.post("/", &format!("a=1&access_token={token}")));
    assert!(matches!(&exchange.request.body, Body::Buffered(body) if body == "a=1"));
    assert!(exchange.identity.credential.is_some());
    for headers in [vec![], vec![("Authorization", "Bearer nope")], vec![("Authorization", "Bearer a b")]] {
        let (status, _, exchange) = house.resource("/", &headers);
        assert_eq!(status, 0);
        assert!(sent(&exchange, &[]).ends_with("X-Consumer-Username=guest X-Anonymous-Consumer=true"));
    }
    let strict = House::new(json!({ "enable_client_credentials": true }));
    let (status, body, exchange) = strict.resource("/", &[]);
    assert_eq!((status, text(&body, "error_description")), (401, "The access token is missing".to_owned()));
    assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("Bearer"));
}

#[test]
fn without_a_database_nobody_gets_a_token() {
    let mut house = House::new(json!({ "enable_client_credentials": true }));
    let services = Services { records: Arc::new(NoRecords), ..services() };
    let config = json!({ "enable_client_credentials": true, "provision_key": "prov" });
    house.plugin = plugin_with(config, &About::default(), &services);
    assert_eq!(house.token(&format!("grant_type=client_credentials&{KIOSK}")).0, 500);
}
