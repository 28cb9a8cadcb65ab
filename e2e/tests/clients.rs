//! Kong's clients find what they found in Kong: recorded exchanges are asked again, and the rules that every client relies
//! on hold.

use e2e::{Gateway, Reply, request};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

const JSON: &str = "application/json";

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
}

fn read(name: &str) -> Value {
    let path = recordings().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_database() -> Gateway {
    Gateway::start(&[("KONG_DATABASE", "sqlite")])
}

fn call(gateway: &Gateway, method: &str, path: &str, kind: &str, body: Option<&str>) -> Reply {
    let lines = [("Content-Type", kind), ("Origin", "http://127.0.0.1:8002")];
    let lines = if body.is_some() { &lines[..] } else { &lines[1..] };
    let reply = request(gateway.admin, method, path, lines, body.unwrap_or_default().as_bytes());
    reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn tell(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Reply {
    call(gateway, method, path, JSON, Some(&body.to_string()))
}

/// Lists of Kong's Enterprise edition that are here as well: an empty one means to clients what the recorded 404 means.
const EITHER: [&str; 2] = ["/consumer_groups?", "/mtls-auths?"];

/// Where differences from the recording are known: (recording, path as recorded), and why.
const KNOWN: [(&str, &str, &str); 7] = [
    ("aio-kong", "/consumers?size=2", "which Consumers are on a page depends on their ids"),
    ("deck-dump-all-workspaces", "/workspaces", "there are workspaces here"),
    ("deck-dump-workspace-default", "/default/", "there are workspaces here"),
    ("kong-manager", "/upstreams/<id3>/health", "Kong had not made the balancer yet"),
    ("kong-manager", "/upstreams/<id3>/health/?size=30", "Kong had not made the balancer yet"),
    ("kong-manager", "/upstreams/<id3>/health?balancer_health=1", "Kong had not made the balancer yet"),
    ("kong-manager", "/upstreams/<id3>/targets/<id4>", "Kong had not made the balancer yet"),
];

/// One recording on its way through.
struct Replay {
    pem: Value,
    /// What the placeholders of ids stand for.
    ids: HashMap<String, String>,
}

/// The placeholders `<idN>` in a text.
fn placeholders(text: &str) -> BTreeSet<String> {
    let parts = text.split("<id").skip(1);
    let number = |part: &str| part.split_once('>').map(|(number, _)| number.to_owned());
    let numbers = parts.filter_map(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.map(|number| format!("<id{number}>")).collect()
}

impl Replay {
    fn id(&mut self, placeholder: &str) -> String {
        // Any id will do that no other placeholder has.
        let next = format!("5c0f0a8e-0b1e-4c1e-9b39-{:012x}", self.ids.len() + 1);
        self.ids.entry(placeholder.to_owned()).or_insert(next).clone()
    }

    fn fill_text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for placeholder in placeholders(&text) {
            let id = self.id(&placeholder);
            text = text.replace(&placeholder, &id);
        }
        text
    }

    /// What was sent, with something in the place of each placeholder.
    fn fill(&mut self, value: &Value, path: &str) -> Value {
        match value {
            Value::Object(members) => {
                let filled = members.iter().map(|(name, member)| (name.clone(), self.fill(member, path)));
                Value::Object(filled.collect::<Map<_, _>>())
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item, path)).collect(),
            Value::String(text) => match text.as_str() {
                "<int seconds>" => json!(1_700_000_000),
                "<float seconds.millis>" => json!(1_700_000_000.5),
                "<PEM CERTIFICATE>" if path.contains("ca_cert") => self.pem["ca certificate"].clone(),
                "<PEM CERTIFICATE>" => self.pem["certificate"].clone(),
                "<PEM PRIVATE KEY>" => self.pem["private key"].clone(),
                "<PEM PUBLIC KEY>" => self.pem["public key"].clone(),
                text => self.fill_text(text).into(),
            },
            other => other.clone(),
        }
    }
}

/// Secrets and digests differ from run to run.
fn is_random(text: &str) -> bool {
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.len() {
        32 => text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        40 | 64 => hex,
        _ => false,
    }
}

/// How `found` differs from what was recorded in a way that a client could see. Ids that come up for the first time are
/// noted.
fn differs(recorded: &Value, found: &Value, ids: &mut HashMap<String, String>, place: &str) -> Option<String> {
    let unlike = || Some(format!("{place}: {found} instead of {recorded}"));
    match (recorded, found) {
        (Value::String(kind), _) if kind == "<int seconds>" => (!found.is_i64() && !found.is_u64()).then(unlike)?,
        (Value::String(kind), _) if kind.starts_with("<float") => (!found.is_number()).then(unlike)?,
        (Value::String(kind), _) if kind.starts_with("<PEM") || kind == "<offset>" => {
            (!found.is_string()).then(unlike)?
        }
        (Value::String(expected), Value::String(text)) => {
            if expected.starts_with("<id") && placeholders(expected).len() == 1 && !ids.contains_key(expected) {
                ids.insert(expected.clone(), text.clone());
                return None;
            }
            let mut filled = expected.clone();
            for placeholder in placeholders(expected) {
                filled = filled.replace(&placeholder, ids.get(&placeholder)?);
            }
            let same = filled == *text || (is_random(expected) && is_random(text) && expected.len() == text.len());
            (!same).then(unlike)?
        }
        (Value::Object(expected), Value::Object(members)) => {
            let names: BTreeSet<&String> = expected.keys().chain(members.keys()).collect();
            names.into_iter().find_map(|name| match (expected.get(name), members.get(name)) {
                (Some(expected), Some(member)) => differs(expected, member, ids, &format!("{place}.{name}")),
                (None, _) => Some(format!("{place}: {name} was not there")),
                (_, None) => Some(format!("{place}: {name} is missing")),
            })
        }
        // Lists of entities are in the order of their ids.
        (Value::Array(expected), Value::Array(items)) if place == "$.data" => {
            let mut left: Vec<&Value> = items.iter().collect();
            if left.len() != expected.len() {
                return Some(format!("{place}: {} entities instead of {}", left.len(), expected.len()));
            }
            expected.iter().find_map(|expected| {
                let mut last = None;
                for (index, item) in left.iter().enumerate() {
                    let mut tried = ids.clone();
                    last = differs(expected, item, &mut tried, &format!("{place}[]"));
                    if last.is_none() {
                        *ids = tried;
                        left.remove(index);
                        return None;
                    }
                }
                last
            })
        }
        (Value::Array(expected), Value::Array(items)) if expected.len() == items.len() => {
            let mut pairs = expected.iter().zip(items);
            pairs.find_map(|(expected, item)| differs(expected, item, ids, &format!("{place}[]")))
        }
        (expected, found) => (expected != found).then(unlike)?,
    }
}

/// The names of Plugins in a value.
fn plugin_names(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(name)), true) = (members.get("name"), members.contains_key("config")) {
                out.insert(name.clone());
            }
            members.values().for_each(|member| plugin_names(member, out));
        }
        Value::Array(items) => items.iter().for_each(|item| plugin_names(item, out)),
        _ => {}
    }
}

fn replay(name: &str) {
    let gateway = with_database();
    let root = call(&gateway, "GET", "/", JSON, None).json();
    let there = |plugin: &String| !root["plugins"]["available_on_server"][plugin].is_null();
    let mut replay = Replay { pem: read("pem.json"), ids: HashMap::new() };
    let mut wrong = Vec::new();
    let recording = read(&format!("{name}.json"));
    let exchanges = recording["exchanges"].as_array().expect("a recording has exchanges");
    for exchange in exchanges {
        let (method, recorded) =
            (exchange["m"].as_str().unwrap_or_default(), exchange["p"].as_str().unwrap_or_default());
        let mut plugins = BTreeSet::new();
        plugin_names(&exchange["req"], &mut plugins);
        plugin_names(&exchange["res"], &mut plugins);
        plugins
            .extend(recorded.strip_prefix("/schemas/plugins/").filter(|name| *name != "validate").map(str::to_owned));
        plugins.extend(exchange["req"]["name"].as_str().filter(|_| recorded.contains("/plugins")).map(str::to_owned));
        // An offset is not recorded, so that it cannot be asked for again.
        if !plugins.iter().all(there) || recorded.contains("<offset>") {
            continue;
        }
        let path = replay.fill_text(recorded);
        let kind = exchange["ct"].as_str().unwrap_or(JSON);
        let body = exchange.get("req").map(|body| match replay.fill(body, recorded) {
            Value::String(form) if kind != JSON => form,
            body => body.to_string(),
        });
        let reply = call(&gateway, method, &path, kind, body.as_deref());
        if KNOWN.iter().any(|(file, place, _)| *file == name && recorded.starts_with(place)) {
            continue;
        }
        let (expected, found) = (&exchange["res"], reply.json());
        let has_none = reply.status == 200 && found["data"].as_array().is_some_and(Vec::is_empty);
        let difference = if exchange["s"] == 404 && has_none && EITHER.iter().any(|path| recorded.starts_with(path)) {
            None
        } else if exchange["s"] != reply.status {
            Some(format!("status {} instead of {}: {}", reply.status, exchange["s"], reply.text()))
        } else if expected.is_object() && recorded != "/" {
            differs(expected, &found, &mut replay.ids, "$")
        } else {
            None
        };
        wrong.extend(difference.map(|difference| format!("{method} {recorded}: {difference}")));
        for (header, value) in exchange["cors"].as_object().into_iter().flatten() {
            let answered = reply.header(&header.to_ascii_lowercase());
            if answered != value.as_str() {
                wrong.push(format!("{method} {recorded}: {header} is {answered:?} instead of {value}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[test]
fn aio_kong_finds_what_it_found() {
    replay("aio-kong");
}

#[test]
fn kong_manager_finds_what_it_found() {
    replay("kong-manager");
}

#[test]
fn deck_syncs_as_it_did() {
    for name in ["deck-sync-rich", "deck62-sync-rich", "deck-sync-tag", "deck-sync-big"] {
        replay(name);
    }
}

#[test]
fn deck_reads_and_validates_as_it_did() {
    for name in [
        "deck-dump-empty",
        "deck62-dump-empty",
        "deck-dump-all-workspaces",
        "deck-dump-workspace-default",
        "deck-validate-online",
        "deck-validate-online-bad",
        "deck62-validate",
    ] {
        replay(name);
    }
}

/// Every number under a name, at any depth.
fn numbers<'v>(value: &'v Value, name: &str, out: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            out.extend(members.get(name));
            members.values().for_each(|member| numbers(member, name, out));
        }
        Value::Array(items) => items.iter().for_each(|item| numbers(item, name, out)),
        _ => {}
    }
}

#[test]
fn the_rules_of_every_client_hold() {
    let gateway = with_database();
    // Numbers are integers where clients decode integers; a Target's times alone have fractions.
    let service =
        tell(&gateway, "POST", "/services", &json!({"name": "s", "host": "h", "tags": ["b", "a"], "port": 8.0e3}));
    assert!(service.text().contains("\"port\":8000,"), "{}", service.text());
    let service = service.json();
    for name in ["created_at", "updated_at", "port", "connect_timeout", "retries"] {
        assert!(service[name].is_u64(), "{name}: {}", service[name]);
    }
    tell(&gateway, "POST", "/upstreams", &json!({"name": "u"}));
    let target = tell(&gateway, "POST", "/upstreams/u/targets", &json!({"target": "a:1"})).json();
    assert!(target["created_at"].is_number(), "{target}");
    let upstream = call(&gateway, "GET", "/upstreams/u", JSON, None).json();
    let mut found = Vec::new();
    for name in ["interval", "successes", "http_failures", "threshold", "concurrency", "slots"] {
        numbers(&upstream, name, &mut found);
    }
    assert!(!found.is_empty() && found.iter().all(|number| number.is_u64()), "{upstream}");

    // Unset fields are there as null; lists keep their order; references are ids and nothing else.
    for name in ["path", "client_certificate", "ca_certificates", "tls_verify"] {
        assert!(service.get(name).is_some_and(Value::is_null), "{name}: {service}");
    }
    assert_eq!(service["tags"], json!(["b", "a"]));
    let body = json!({"name": "r", "service": {"id": service["id"], "name": "s"}, "protocols": ["https", "http"], "methods": ["PUT", "GET"],
        "paths": ["/z", "/a"], "hosts": ["z.example", "a.example"], "snis": ["z.example", "a.example"]});
    let route = tell(&gateway, "POST", "/routes", &body).json();
    for name in ["protocols", "methods", "paths", "hosts", "snis"] {
        assert_eq!(route[name], body[name], "{name}");
    }
    assert_eq!(route["service"], json!({"id": service["id"]}));
    let plugin = tell(&gateway, "POST", "/plugins", &json!({"name": "key-auth"})).json();
    assert!(plugin["config"].get("anonymous").is_some_and(Value::is_null), "{plugin}");
    assert!(["route", "service", "consumer"].iter().all(|name| plugin[*name].is_null()), "{plugin}");

    // Lists: empty as [], the next page by offset and by path, no offset on the last one.
    let empty = call(&gateway, "GET", "/consumers?size=1000", JSON, None);
    assert_eq!(empty.text(), "{\"data\":[],\"next\":null}");
    for index in 0..3 {
        tell(&gateway, "PUT", &format!("/consumers/c{index}"), &json!({"tags": ["team-a", "prod"]}));
    }
    let page = call(&gateway, "GET", "/consumers?size=2", JSON, None).json();
    let offset = page["offset"].as_str().expect("another page follows");
    assert!(page["next"].as_str().is_some_and(|next| next.starts_with("/consumers?offset=")), "{page}");
    let last = call(&gateway, "GET", &format!("/consumers?size=2&offset={offset}"), JSON, None).json();
    assert_eq!((last["data"].as_array().map(Vec::len), last.get("offset")), (Some(1), None));
    let both = call(&gateway, "GET", "/consumers?tags=team-a%2Cprod", JSON, None).json();
    assert_eq!(both["data"].as_array().map(Vec::len), Some(3));

    // Statuses, and errors whose message is text.
    let id = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0001";
    for (method, path, body, status, message) in [
        ("PUT", format!("/services/{id}"), json!({"id": id, "host": "h", "created_at": 1_600_000_000}), 200, None),
        ("PUT", format!("/services/{id}"), json!({"host": "h"}), 200, None),
        ("DELETE", "/services/none".into(), Value::Null, 204, None),
        ("DELETE", format!("/services/{id}"), Value::Null, 204, None),
        ("DELETE", format!("/services/{id}"), Value::Null, 204, None),
        ("DELETE", "/consumers/c0/key-auth/none".into(), Value::Null, 404, Some("Not found")),
        ("DELETE", "/upstreams/u/targets/none:1".into(), Value::Null, 404, Some("Not found")),
        ("PUT", format!("/upstreams/u/targets/{id}"), json!({"target": "b:1"}), 404, Some("Not found")),
        (
            "GET",
            format!("/certificates/{id}"),
            Value::Null,
            404,
            Some("could not find the entity with primary key '{id=\"5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0001\"}'"),
        ),
        (
            "POST",
            "/consumers".into(),
            json!({"username": "c0"}),
            409,
            Some("UNIQUE violation detected on '{username=\"c0\"}'"),
        ),
        (
            "POST",
            "/consumers/c0/key-auth".into(),
            json!({"key": "k", "consumer": {"id": id, "username": "x"}}),
            201,
            None,
        ),
        (
            "GET",
            "/filter-chains".into(),
            Value::Null,
            400,
            Some("this endpoint is only available when wasm is enabled"),
        ),
        ("GET", "/partials".into(), Value::Null, 404, Some("Not found")),
        ("GET", "/degraphql_routes".into(), Value::Null, 404, Some("Not found")),
        ("GET", "/graphql-rate-limiting-advanced/costs".into(), Value::Null, 404, Some("Not found")),
        (
            "GET",
            "/schemas/consumer_group_plugins".into(),
            Value::Null,
            404,
            Some("No entity named 'consumer_group_plugins'"),
        ),
        ("GET", "/licenses".into(), Value::Null, 404, Some("Not found")),
    ] {
        let body = (!body.is_null()).then(|| body.to_string());
        let reply = call(&gateway, method, &path, JSON, body.as_deref());
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        if let Some(message) = message {
            assert_eq!(reply.json()["message"], message, "{method} {path}");
        }
    }

    // A race for a name has one winner; whoever loses is told so.
    let race: Vec<u16> = std::thread::scope(|scope| {
        let post = || tell(&gateway, "POST", "/services", &json!({"name": "raced", "host": "h"})).status;
        let all: Vec<_> = (0..8).map(|_| scope.spawn(post)).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(race.iter().filter(|status| **status == 201).count(), 1, "{race:?}");
    assert!(race.iter().all(|status| [201, 409].contains(status)), "{race:?}");

    // What is known of the node: three numbers first, integers for connections.
    let root = call(&gateway, "GET", "/", JSON, None).json();
    assert!(root["version"].as_str().is_some_and(|version| version.starts_with("3.9.1")), "{}", root["version"]);
    assert!(root["plugins"]["available_on_server"].is_object() && root["configuration"]["router_flavor"].is_string());
    let status = call(&gateway, "GET", "/status/", JSON, None).json();
    assert!(status["server"].as_object().is_some_and(|figures| figures.values().all(Value::is_u64)), "{status}");
    assert_eq!(status["database"]["reachable"], true);
}
