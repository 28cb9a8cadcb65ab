//! Dependencies between the rooms point one way, and what is configured is used.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// For each room, the rooms it may name. `ARCHITECTURE.md` says why.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("schema-derive", &[]),
    ("schema", &["schema-derive"]),
    ("router", &[]),
    ("balancer", &[]),
    ("outbox", &[]),
    ("config", &["schema"]),
    ("entities", &["schema", "router"]),
    ("store", &["schema", "entities"]),
    ("migration", &["schema", "entities", "store"]),
    ("store-sql", &["schema", "entities", "store", "migration"]),
    ("declarative", &["schema", "entities", "store"]),
    ("access", &["schema", "entities", "store"]),
    ("exchange", &["schema", "entities", "router"]),
    ("telemetry", &["exchange"]),
    ("history", &["exchange", "telemetry"]),
    ("acme-client", &["exchange"]),
    ("jq", &["exchange"]),
    ("ldap-client", &["exchange"]),
    ("mail", &["exchange"]),
    ("ocsp-client", &["exchange"]),
    ("redis-client", &["exchange"]),
    ("plugins", &["schema", "entities", "exchange", "jq"]),
    ("observability", &["schema", "entities", "exchange", "telemetry"]),
    ("lua", &["schema", "entities", "exchange"]),
    ("pluginserver", &["entities", "exchange", "lua"]),
    ("snapshot", &["schema", "entities", "store", "router", "balancer", "exchange", "ocsp-client"]),
    ("directory", &["schema", "entities", "store", "exchange"]),
    ("proxy", &["entities", "exchange", "snapshot", "router", "balancer", "schema", "ocsp-client", "outbox"]),
    ("admin", &["schema", "entities", "store", "declarative", "access", "exchange", "history"]),
    (
        "silverback",
        &[
            "schema",
            "entities",
            "store",
            "declarative",
            "exchange",
            "history",
            "jq",
            "telemetry",
            "plugins",
            "observability",
            "lua",
            "pluginserver",
            "snapshot",
            "proxy",
            "admin",
            "config",
            "router",
            "balancer",
            "acme-client",
            "ldap-client",
            "mail",
            "ocsp-client",
            "redis-client",
            "manager",
            "store-sql",
            "migration",
            "directory",
            "access",
        ],
    ),
    ("manager", &[]),
    ("ui", &["schema"]),
    ("e2e", &[]),
    ("xtask", &["config", "schema"]),
];

fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let named = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let all: BTreeSet<_> = packages.iter().map(named).collect();
    packages
        .iter()
        .map(|package| {
            let own = package["dependencies"].as_array().into_iter().flatten();
            let own = own.filter(|dependency| dependency["kind"] != "dev").map(named).filter(|name| all.contains(name));
            (named(package), own.collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_NAME.iter().map(|(room, may)| (*room, may.iter().copied().collect())).collect();
    for (room, named) in rooms() {
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` is not in the table of rooms"));
        for other in named {
            assert!(may.contains(other.as_str()), "`{room}` may not depend on `{other}`");
        }
    }
}

#[test]
fn every_room_is_in_the_architecture() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).expect("readable");
    for room in rooms().keys().filter(|room| *room != "schema-derive") {
        let folder = match room.as_str() {
            "silverback" => "server",
            "acme-client" => "acme",
            "ldap-client" => "ldap",
            "ocsp-client" => "ocsp",
            "redis-client" => "redis",
            "store-sql" => "store/sql",
            other => other,
        };
        assert!(text.contains(&format!("`server/{folder}`")) || text.contains(&format!("`{folder}`")), "{room}");
    }
}

/// The sources in a folder and below, in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("readable"));
        }
    }
    text
}

/// A setting that is read from the environment, documented to act, and then looked at by nobody is worse than none.
#[test]
fn settings_are_looked_at() {
    let server = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../server"));
    let node = sources(&server.join("src"));
    let words: BTreeSet<&str> = node
        .split(|character: char| !character.is_alphanumeric() && character != '_' && character != '.')
        .flat_map(|chain| chain.split('.'))
        .collect();
    let top = std::fs::read_to_string(server.join("config/src/settings.rs")).expect("readable");
    let settings = sources(&server.join("config/src/settings")) + &top;
    let fields = settings
        .lines()
        .filter_map(|line| line.strip_prefix("    pub ")?.split_once(": ").map(|(name, _)| name))
        .filter(|name| name.chars().all(|character| character.is_alphanumeric() || character == '_'));
    // Those are looked at where they are: for the port that a client meets, for what `/` shows, for where spans go.
    let within = ["port_maps", "public", "local", "server_tokens", "latency_tokens", "otlp", "otlp_traces"];
    for field in fields {
        assert!(words.contains(field) || within.contains(&field), "nothing looks at the setting `{field}`");
    }
}
