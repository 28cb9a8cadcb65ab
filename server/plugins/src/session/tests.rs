//! Tests of the plugin: a browser that keeps its cookies, at moments of our choosing.

use super::*;
use crate::testing::{Drawer, MANNERS, Manner, People, access, answered, at, context, plugin_with, request, services};
use exchange::NoRecords;
use schema::Schema;
use serde_json::json;

/// The second at which everything begins.
const BEGIN: u64 = 1_700_000_000;

struct Browser {
    plugin: SessionPlugin,
    cookies: BTreeMap<String, String>,
    drawer: Drawer,
    manner: Manner,
}

/// What a request met.
#[derive(Debug, PartialEq, Eq)]
struct Met {
    /// Who was known before other plugins ran.
    known: Option<String>,
    /// `Set-Cookie` lines.
    set: usize,
    status: Option<u16>,
}

impl Browser {
    fn new(mut config: Value, manner: Manner) -> Self {
        config["secret"] = "walnut".into();
        let drawer = Drawer::default();
        let services = Services { records: Arc::new(drawer.clone()), ..services() };
        let plugin = plugin_with(config, &About::default(), &services);
        Self { plugin, cookies: BTreeMap::new(), drawer, manner }
    }

    fn exchange(&self, method: &str, target: &str, second: u64) -> Exchange {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut exchange = request(method, target, &[], People::new(self.manner));
        if !cookies.is_empty() {
            exchange.request.headers.append("Cookie", cookies.join("; "));
        }
        exchange.timeline = at(BEGIN + second);
        exchange
    }

    /// A request; a Consumer (1 or 2) logs in by another plugin where nobody is known.
    fn visit(&mut self, method: &str, target: &str, second: u64, login: Option<u128>) -> (Met, Exchange) {
        let mut exchange = self.exchange(method, target, second);
        let status = access(&self.plugin, &mut exchange);
        let known =
            exchange.identity.consumer.as_ref().and_then(|consumer| consumer.username.as_deref()).map(str::to_owned);
        if status.is_none() {
            if let (None, Some(number)) = (&known, login) {
                let people = People::new(self.manner);
                let consumer = people.consumers.iter().find(|one| one.id == Uuid::from_u128(number)).cloned();
                let credential = Credential { id: Uuid::from_u128(70 + number), ..Credential::default() };
                exchange.authenticate(consumer, Some(Arc::new(credential)), None);
            }
            assert_eq!(answered(Plugin::header_filter(&self.plugin, &mut exchange), &mut exchange), None);
        }
        let lines: Vec<_> = exchange.response.headers.get_all("set-cookie").map(<[u8]>::to_vec).collect();
        for line in &lines {
            let line = String::from_utf8(line.clone()).unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        (Met { known, set: lines.len(), status }, exchange)
    }
}

fn met(known: Option<&str>, set: usize) -> Met {
    Met { known: known.map(str::to_owned), set, status: None }
}

#[test]
fn a_login_is_remembered_until_it_is_over() {
    for manner in MANNERS {
        for storage in ["cookie", "kong"] {
            let mut browser = Browser::new(json!({ "storage": storage }), manner);
            assert_eq!(browser.visit("GET", "/", 0, None).0, met(None, 0));
            assert_eq!(browser.visit("GET", "/", 0, Some(1)).0, met(None, 1));
            assert_eq!(browser.visit("GET", "/", 60, Some(2)).0, met(Some("maya"), 0));
            assert_eq!(browser.visit("GET", "/", 61, None).0, met(Some("maya"), 1));
            assert_eq!(browser.visit("GET", "/", 960, None).0, met(Some("maya"), 1));
            assert_eq!(browser.visit("GET", "/", 1_860, None).0, met(None, 0));
            assert_eq!(browser.visit("GET", "/", 1_860, Some(2)).0, met(None, 1));
            assert_eq!(browser.visit("GET", "/", 1_861, None).0, met(Some("guest"), 0));
        }
    }
}

#[test]
fn logging_out_ends_it() {
    for storage in ["cookie", "kong"] {
        let mut browser = Browser::new(json!({ "storage": storage, "remember": true }), Manner::Waits);
        assert_eq!(browser.visit("POST", "/?session_logout=1", 0, None).0, met(None, 0));
        assert_eq!(browser.visit("GET", "/", 0, Some(1)).0, met(None, 2));
        assert_eq!(browser.drawer.of(SESSIONS).len(), usize::from(storage == "kong"));
        assert_eq!(browser.visit("GET", "/?session_logout=1", 1, None).0, met(Some("maya"), 0));
        let (left, exchange) = browser.visit("POST", "/?session_logout", 2, None);
        assert_eq!(left, Met { known: None, set: 2, status: Some(200) });
        assert!(exchange.response.body.is_empty() && browser.cookies.is_empty());
        assert!(browser.drawer.of(SESSIONS).is_empty());
        assert_eq!(browser.visit("GET", "/", 3, None).0, met(None, 0));
    }
}

#[test]
fn a_remembered_session_outlives_the_browser() {
    for storage in ["cookie", "kong"] {
        let config = json!({ "storage": storage, "remember": true, "remember_cookie_name": "stay" });
        let mut browser = Browser::new(config, Manner::Knows);
        browser.visit("GET", "/", 0, Some(1));
        browser.cookies.remove("session");
        assert_eq!(browser.visit("GET", "/", 90_000, None).0, met(Some("maya"), 2));
        assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["session", "stay"]);
        browser.cookies.remove("session");
        assert_eq!(browser.visit("GET", "/", 90_000 + 604_800, None).0, met(None, 0));
    }
}

#[test]
fn stale_rows_go_when_a_session_is_replaced() {
    for (stale, rows) in [(10, 2), (0, 1)] {
        let config = json!({ "storage": "kong", "idling_timeout": 0, "stale_ttl": stale });
        let mut browser = Browser::new(config, Manner::Knows);
        browser.visit("GET", "/", 0, Some(1));
        assert_eq!(browser.visit("GET", "/", 2_701, None).0, met(Some("maya"), 1));
        let stored = browser.drawer.of(SESSIONS);
        assert_eq!(stored.len(), rows);
        assert_eq!(stored[rows - 1].expires, Some((BEGIN + 3_600).cast_signed()));
        assert!(!stored[0].record["data"].to_string().contains("maya"));
    }
}

#[test]
fn audiences_share_a_cookie_but_no_login() {
    let mut shop = Browser::new(json!({ "audience": "shop" }), Manner::Knows);
    let mut office = Browser::new(json!({ "audience": "office" }), Manner::Knows);
    shop.visit("GET", "/", 0, Some(1));
    office.cookies = shop.cookies.clone();
    assert_eq!(office.visit("GET", "/", 1, Some(2)).0, met(None, 1));
    shop.cookies = office.cookies.clone();
    assert_eq!(shop.visit("GET", "/", 2, None).0, met(Some("maya"), 0));
    assert_eq!(shop.visit("DELETE", "/?session_logout=1", 3, None).0, Met { known: None, set: 1, status: Some(200) });
    assert_eq!(shop.visit("GET", "/", 4, None).0, met(None, 0));
    office.cookies = shop.cookies.clone();
    assert_eq!(office.visit("GET", "/", 5, None).0, met(Some("guest"), 0));
}

#[test]
fn groups_and_properties_are_told() {
    let config = json!({
        "request_headers": ["subject", "idling-timeout"],
        "response_headers": ["id", "audience", "timeout"],
    });
    let mut browser = Browser::new(config, Manner::Waits);
    let mut exchange = browser.exchange("GET", "/", 0);
    exchange.identity.authenticated_groups = vec!["beta".into(), "gamma".into()];
    let people = People::new(Manner::Knows);
    exchange.authenticate(Some(people.consumers[0].clone()), Some(Arc::default()), None);
    Plugin::header_filter(&browser.plugin, &mut exchange);
    let line = exchange.response.headers.get_str("set-cookie").unwrap().to_owned();
    let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
    browser.cookies.insert(name.to_owned(), value.to_owned());

    let (seen, exchange) = browser.visit("GET", "/", 10, None);
    assert_eq!(seen, met(Some("maya"), 0));
    for (name, value) in
        [("x-authenticated-groups", "beta, gamma"), ("session-subject", "maya"), ("session-idling-timeout", "890")]
    {
        assert_eq!(exchange.request.headers.get_str(name), Some(value), "{name}");
    }
    assert_eq!(exchange.identity.authenticated_groups, ["beta", "gamma"]);
    assert_eq!(exchange.response.headers.get_str("session-id").map(str::len), Some(43));
    assert_eq!(exchange.response.headers.get_str("session-audience"), Some("default"));
    assert_eq!(exchange.response.headers.get_str("session-timeout"), Some("890"));
}

#[test]
fn what_is_no_session_is_ignored() {
    for value in ["AQAAAAbroken", "", "%%%", "AQ"] {
        let mut browser = Browser::new(json!({}), Manner::Knows);
        browser.cookies.insert("session".into(), value.into());
        assert_eq!(browser.visit("GET", "/", 0, None).0, met(None, 0));
    }
    let mut browser = Browser::new(json!({ "storage": "kong" }), Manner::Knows);
    browser.visit("GET", "/", 0, Some(1));
    let services = Services { records: Arc::new(NoRecords), ..services() };
    browser.plugin = plugin_with(json!({ "storage": "kong", "secret": "walnut" }), &About::default(), &services);
    assert_eq!(browser.visit("GET", "/", 1, None).0, met(None, 0));
}

#[test]
fn the_secret_of_a_node_is_one_and_old_names_set_new_options() {
    let complete = |config: Value| {
        let Value::Object(config) = config else { panic!("an object") };
        Value::from(Config::record().insert(config, &context()).expect("valid"))
    };
    let (one, two) = (complete(json!({})), complete(json!({})));
    let secret = one["secret"].as_str().unwrap();
    assert!(secret.len() == 44 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) && one == two);
    let old = complete(json!({
        "cookie_lifetime": 77, "cookie_idletime": null, "cookie_renew": 5, "cookie_discard": 3, "cookie_samesite": "off",
        "cookie_httponly": false, "cookie_persistent": true,
    }));
    for (name, value) in [
        ("rolling_timeout", json!(77)),
        ("idling_timeout", json!(0)),
        ("stale_ttl", json!(3)),
        ("cookie_same_site", json!("Lax")),
        ("cookie_http_only", json!(false)),
        ("remember", json!(true)),
    ] {
        assert_eq!(old[name], value, "{name}");
    }
}
