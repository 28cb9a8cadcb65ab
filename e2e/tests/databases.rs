//! Gateways on a database: what is written is served, by every node, through failures and restarts.

use e2e::{Backend, Gateway, Postgres, binary, create, eventually, get, request, send, serve};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

const SQLITE: &[(&str, &str)] = &[("KONG_DATABASE", "sqlite"), ("KONG_DB_UPDATE_FREQUENCY", "1")];

fn status(proxy: SocketAddr, lines: &[(&str, &str)]) -> u16 {
    get(proxy, "/s/x", lines).status
}

fn on(postgres: &Postgres) -> Gateway {
    let settings = postgres.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Gateway::start(&settings)
}

fn command(prefix: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KONG_PREFIX", prefix);
    command.envs(settings.iter().copied()).output().expect("the binary runs")
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_is_written_is_served_and_survives() {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut gateway = Gateway::start_in(folder.path(), SQLITE);
    serve(gateway.admin, &backend);
    eventually("the Route is served", || status(gateway.proxy, &[]) == 200);
    create(gateway.admin, "/routes/r/plugins", &json!({ "name": "key-auth" }));
    eventually("the plugin is at work", || status(gateway.proxy, &[]) == 401);
    let key = [("apikey", "k1")];
    assert_eq!(status(gateway.proxy, &key), 401, "a key that is not known yet");
    create(gateway.admin, "/consumers", &json!({ "username": "ann" }));
    let made = create(gateway.admin, "/consumers/ann/key-auth", &json!({ "key": "k1" }));
    eventually("that key was not known is forgotten", || status(gateway.proxy, &key) == 200);
    let kept = "/cache/keyauth_credentials:k1:::::0dc6f45b-8f8d-40d2-a504-473544ee190b";
    // An answer that a change overtook is given once, and not kept.
    eventually("what was looked up is kept", || {
        status(gateway.proxy, &key) == 200 && send(gateway.admin, "GET", kept, &json!({})).json()["id"] == made["id"]
    });
    assert_eq!(send(gateway.admin, "DELETE", kept, &json!({})).status, 204);
    assert_eq!(send(gateway.admin, "GET", kept, &json!({})).status, 404);
    assert_eq!(status(gateway.proxy, &key), 200, "looked up anew");
    assert_eq!(send(gateway.admin, "DELETE", "/cache", &json!({})).status, 204);
    assert_eq!(send(gateway.admin, "GET", kept, &json!({})).status, 404);
    gateway.signal("KILL");
    gateway.wait();
    let again = Gateway::start_in(folder.path(), SQLITE);
    assert_eq!(status(again.proxy, &key), 200, "an acknowledged write survives");
    let path = format!("/consumers/ann/key-auth/{}", made["id"].as_str().expect("an id"));
    assert_eq!(send(again.admin, "DELETE", &path, &json!({})).status, 204);
    eventually("the key is forgotten", || status(again.proxy, &key) == 401);
    create(again.admin, "/consumers/ann/key-auth", &json!({ "key": "k2", "ttl": 3 }));
    let passing = [("apikey", "k2")];
    eventually("a passing key lets in", || status(again.proxy, &passing) == 200);
    eventually("and is over", || status(again.proxy, &passing) == 401);
}

#[test]
fn what_one_node_writes_the_other_serves() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    // At the same moment, on an empty database.
    let (one, two) = std::thread::scope(|scope| {
        let start = || scope.spawn(|| on(&postgres));
        let (one, two) = (start(), start());
        (one.join().expect("starts"), two.join().expect("starts"))
    });
    serve(one.admin, &backend);
    eventually("the other node serves it", || status(two.proxy, &[]) == 200);
    create(two.admin, "/routes/r/plugins", &json!({ "name": "key-auth" }));
    eventually("the plugin is at work on the first", || status(one.proxy, &[]) == 401);
    create(one.admin, "/consumers", &json!({ "username": "ann" }));
    create(one.admin, "/consumers/ann/key-auth", &json!({ "key": "k1" }));
    let key = [("apikey", "k1")];
    for node in [&one, &two] {
        eventually("the key is known", || status(node.proxy, &key) == 200);
    }
    assert_eq!(send(two.admin, "DELETE", "/consumers/ann", &json!({})).status, 204);
    for node in [&one, &two] {
        eventually("the key went with its Consumer", || status(node.proxy, &key) == 401);
    }
}

#[test]
fn limits_hold_for_all_nodes() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let (one, two) = (on(&postgres), on(&postgres));
    serve(one.admin, &backend);
    let limit = json!({ "name": "rate-limiting", "config": { "year": 3, "policy": "cluster" } });
    create(one.admin, "/routes/r/plugins", &limit);
    let remaining =
        |node: &Gateway| get(node.proxy, "/s/x", &[]).header("x-ratelimit-remaining-year").map(str::to_owned);
    for (node, left) in [(&one, "2"), (&two, "1"), (&one, "0")] {
        let mut found = None;
        eventually("it is limited", || {
            found = remaining(node);
            found.is_some()
        });
        assert_eq!(found.as_deref(), Some(left));
    }
    for node in [&one, &two] {
        assert_eq!(status(node.proxy, &[]), 429);
    }
}

#[test]
fn a_database_that_goes_and_comes_back() {
    let (backend, mut postgres) = (Backend::start(), Postgres::start());
    let (one, two) = (on(&postgres), on(&postgres));
    serve(one.admin, &backend);
    create(one.admin, "/consumers", &json!({ "username": "ann" }));
    create(one.admin, "/consumers/ann/key-auth", &json!({ "key": "k1" }));
    create(one.admin, "/routes/r/plugins", &json!({ "name": "key-auth" }));
    let key = [("apikey", "k1")];
    for node in [&one, &two] {
        eventually("it is served", || status(node.proxy, &[]) == 401 && status(node.proxy, &key) == 200);
    }
    postgres.stop();
    for node in [&one, &two] {
        assert_eq!(status(node.proxy, &key), 200, "proxying goes on");
        let refused = send(node.admin, "POST", "/services", &json!({ "name": "late", "host": "a.test" }));
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(status(node.proxy, &[("apikey", "never seen")]), 500, "nobody can be asked");
    }
    postgres.run();
    eventually("writes are taken again", || {
        send(two.admin, "PUT", "/services/late", &json!({ "host": "127.0.0.1", "port": backend.address.port() })).status
            == 200
    });
    create(two.admin, "/services/late/routes", &json!({ "paths": ["/late"] }));
    for node in [&one, &two] {
        eventually("both catch up", || get(node.proxy, "/late/x", &[]).status == 200);
        eventually("the unknown can be looked up", || status(node.proxy, &[("apikey", "never seen")]) == 401);
    }
}

#[test]
fn a_database_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = e2e::free_port().to_string();
    let output = Gateway::command(folder.path(), &[])
        .args(["--db-timeout", "2"])
        .envs([("KONG_DATABASE", "postgres"), ("KONG_PG_PORT", &port), ("KONG_PG_PASSWORD", "s3cret")])
        .envs([("KONG_PROXY_LISTEN", "off"), ("KONG_ADMIN_LISTEN", "off"), ("KONG_STATUS_LISTEN", "off")])
        .output()
        .expect("the binary runs");
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["attempt 1", "attempt 2", &format!("127.0.0.1:{port}")] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn migrations_by_hand() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| command(folder.path(), arguments, SQLITE);
    for (arguments, code, part) in [
        (&["migrations", "list"][..], 3, "Database needs bootstrapping"),
        (&["migrations", "up"], 1, "Cannot run migrations"),
        (&["migrations", "bootstrap"], 0, "Database is up-to-date"),
        (&["migrations", "bootstrap"], 0, "Database already bootstrapped"),
        (&["migrations", "up"], 0, "Database is already up-to-date"),
        (&["migrations", "finish"], 0, "No pending migrations to finish"),
        (&["migrations", "list"], 0, "Executed migrations:"),
        (&["migrations", "status"], 0, "\"needs_bootstrap\":false"),
        (&["migrations", "reset"], 1, "not a tty: invoke 'reset' non-interactively with the --yes flag"),
        (&["migrations", "reset", "--yes"], 0, "Database successfully reset"),
        (&["migrations", "reset", "--yes"], 1, "Database not bootstrapped, nothing to reset"),
    ] {
        let output = run(arguments);
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

#[test]
fn a_backup_is_restored_as_it_was() {
    let (backend, first, second) =
        (Backend::start(), tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut gateway = Gateway::start_in(first.path(), SQLITE);
    serve(gateway.admin, &backend);
    create(gateway.admin, "/routes/r/plugins", &json!({ "name": "basic-auth" }));
    create(gateway.admin, "/consumers", &json!({ "username": "ann", "tags": ["t"] }));
    create(gateway.admin, "/consumers/ann/basic-auth", &json!({ "username": "ann", "password": "pass" }));
    create(gateway.admin, "/consumers/ann/jwt", &json!({ "key": "k", "secret": "hidden" }));
    create(gateway.admin, "/consumers/ann/key-auth", &json!({ "key": "kk", "ttl": 90_000 }));
    create(gateway.admin, "/upstreams", &json!({ "name": "u" }));
    create(gateway.admin, "/upstreams/u/targets", &json!({ "target": "127.0.0.1:1", "weight": 7 }));
    create(gateway.admin, "/vaults", &json!({ "name": "env", "prefix": "mine" }));
    gateway.signal("TERM");
    gateway.wait();
    let file = |name: &str| first.path().join(name).to_str().expect("UTF-8").to_owned();
    let (backup, again) = (file("backup.yml"), file("again.yml"));
    let run = |prefix: &Path, action: &str, file: &str| {
        let output = command(prefix, &["config", action, file], SQLITE);
        assert!(output.status.success(), "{action}: {}", printed(&output));
    };
    let text = |file: &str| std::fs::read_to_string(file).expect("readable");
    run(first.path(), "db_export", &backup);
    // As if it had been written long ago.
    let aged = |line: &str| match line.split_once("updated_at: ") {
        Some((name, _)) => format!("{name}updated_at: 1700000000\n"),
        None => format!("{line}\n"),
    };
    let old: String = text(&backup).lines().filter(|line| !line.contains("ttl: ")).map(aged).collect();
    std::fs::write(&backup, old).expect("writable");
    run(second.path(), "db_import", &backup);
    run(second.path(), "db_export", &again);
    assert_eq!(text(&backup), text(&again));
    assert!(text(&backup).contains("hidden"), "secrets are in it");
    let refused = command(first.path(), &["config", "db_export", &backup], SQLITE);
    assert!(printed(&refused).contains("already exists. Will not overwrite it."), "{refused:?}");
    let restored = Gateway::start_in(second.path(), SQLITE);
    // ann:pass
    assert_eq!(status(restored.proxy, &[("Authorization", "Basic YW5uOnBhc3M=")]), 200);
    assert_eq!(status(restored.proxy, &[]), 401);
}

#[test]
fn what_kong_exported_is_imported() {
    let (backend, folder) = (Backend::start(), tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("kong.yml");
    let port = format!("port: {}", backend.address.port());
    let exported = include_str!("data/kong-export.yml").replace("port: 9", &port);
    std::fs::write(&file, exported).expect("writable");
    for _ in 0..2 {
        // A second time it changes nothing.
        let output = command(folder.path(), &["config", "db_import", file.to_str().expect("UTF-8")], SQLITE);
        assert!(output.status.success(), "{}", printed(&output));
    }
    let gateway = Gateway::start_in(folder.path(), SQLITE);
    assert_eq!(status(gateway.proxy, &[]), 401);
    // ann:pass, whose digest Kong made.
    assert_eq!(status(gateway.proxy, &[("Authorization", "Basic YW5uOnBhc3M=")]), 200);
    let service = send(gateway.admin, "GET", "/services/s", &json!({})).json();
    assert_eq!((&service["created_at"], &service["updated_at"]), (&json!(1_700_000_001), &json!(1_700_000_002)));
    let workspaces = get(gateway.admin, "/workspaces", &[]);
    if workspaces.status == 200 {
        assert_eq!(workspaces.json()["data"].as_array().map(Vec::len), Some(1), "{}", workspaces.text());
    }
}

#[test]
fn no_change_is_without_its_entry_in_the_audit_log() {
    const AUDITED: &[(&str, &str)] = &[("KONG_DATABASE", "sqlite"), ("KONG_AUDIT_LOG", "on")];
    let (backend, folder) = (Backend::start(), tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("kong.json");
    let document = json!({
        "_format_version": "3.0",
        "services": [{
            "name": "s", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [{ "name": "r", "paths": ["/s"] }],
            "plugins": [{ "name": "oauth2", "config": {
                "enable_client_credentials": true, "accept_http_if_already_terminated": true, "provision_key": "p",
            } }],
        }],
        "consumers": [{ "username": "ann", "oauth2_credentials": [{
            "name": "app", "client_id": "id", "client_secret": "planted-secret", "redirect_uris": ["https://a.test/"],
        }] }],
    });
    std::fs::write(&file, document.to_string()).expect("writable");
    let output = command(folder.path(), &["config", "db_import", file.to_str().expect("UTF-8")], AUDITED);
    assert!(output.status.success(), "{}", printed(&output));

    let settings = [AUDITED, &[("KONG_TRUSTED_IPS", "127.0.0.1")]].concat();
    let gateway = Gateway::start_in(folder.path(), &settings);
    let entries = |kind: &str| {
        let path = format!("/audit/objects?dao_name={kind}");
        get(gateway.admin, &path, &[]).json()["data"].as_array().cloned().unwrap_or_default()
    };
    for kind in ["services", "routes", "plugins", "consumers", "oauth2_credentials"] {
        let found = entries(kind);
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        assert_eq!(
            (&found[0]["rbac_user_name"], &found[0]["operation"]),
            (&json!("config db_import"), &json!("create"))
        );
        assert!(!found[0].to_string().contains("planted-secret"), "{kind}");
    }
    let lines = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-Proto", "https")];
    let body = "grant_type=client_credentials&client_id=id&client_secret=planted-secret";
    let granted = request(gateway.proxy, "POST", "/s/oauth2/token", &lines, body.as_bytes()).expect("an answer");
    assert_eq!(granted.status, 200, "{}", granted.text());
    let token = granted.json()["access_token"].as_str().expect("a token").to_owned();
    eventually("what a plugin writes has its entry", || entries("oauth2_tokens").len() == 1);
    let entry = entries("oauth2_tokens").remove(0);
    assert_eq!(entry["rbac_user_name"], "plugin", "{entry}");
    assert!(!entry.to_string().contains(&token), "{entry}");
}

/// Whether any file of a folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("readable").any(|entry| {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => holds(&path, bytes),
            false => std::fs::read(path).is_ok_and(|found| found.windows(bytes.len()).any(|window| window == bytes)),
        }
    })
}

#[test]
fn secrets_are_encrypted_at_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prefix = folder.path();
    let (secret, planted) = ("a secret of the keyring that is long", "planted-in-the-database");
    let with = |secret: &'static str| [SQLITE, &[("KONG_KEYRING_SECRET", secret)]].concat();
    let mut gateway = Gateway::start_in(prefix, SQLITE);
    create(gateway.admin, "/consumers", &json!({ "username": "ann" }));
    create(gateway.admin, "/consumers/ann/jwt", &json!({ "key": "k", "secret": planted }));
    gateway.signal("TERM");
    gateway.wait();
    assert!(holds(prefix, planted.as_bytes()), "in clear text without a keyring");

    let told = command(prefix, &["keyring", "status"], &with(secret));
    assert!(printed(&told).contains("jwt_secrets: 0 encrypted, 1 to be rewritten"), "{}", printed(&told));
    let told = command(prefix, &["keyring", "encrypt"], &with(secret));
    assert!(printed(&told).contains("jwt_secrets: 0 encrypted, 1 rewritten"), "{}", printed(&told));
    assert!(!holds(prefix, planted.as_bytes()), "nowhere any more");

    let mut gateway = Gateway::start_in(prefix, &with(secret));
    let shown = send(gateway.admin, "GET", "/consumers/ann/jwt/k", &json!({})).json();
    assert_eq!(shown["secret"], planted);
    let config = json!({ "name": "http-log", "config": { "http_endpoint": format!("http://127.0.0.1:9/{planted}") } });
    create(gateway.admin, "/plugins", &config);
    let exported = prefix.join("export.yml");
    let done = command(prefix, &["config", "db_export", exported.to_str().expect("a path")], &with(secret));
    assert!(done.status.success(), "{}", printed(&done));
    assert!(std::fs::read_to_string(&exported).expect("readable").contains(planted), "an export is in clear text");
    std::fs::remove_file(&exported).expect("removable");
    gateway.signal("TERM");
    gateway.wait();
    assert!(!holds(prefix, planted.as_bytes()) && !holds(prefix, secret.as_bytes()));

    for (settings, sentence) in [
        (SQLITE.to_vec(), "none of the secrets in keyring_secret makes"),
        (with("quite another secret than that"), "none of the secrets in keyring_secret makes"),
        (with("short"), "secret 1 of keyring_secret is shorter than 16 characters"),
    ] {
        let refused = command(prefix, &["start"], &settings);
        assert!(!refused.status.success() && printed(&refused).contains(sentence), "{}", printed(&refused));
    }
    let rotated = with("a newer secret of the keyring,a secret of the keyring that is long");
    assert!(
        printed(&command(prefix, &["keyring", "encrypt"], &rotated)).contains("jwt_secrets: 0 encrypted, 1 rewritten")
    );
    let gateway = Gateway::start_in(prefix, &with("a newer secret of the keyring"));
    assert_eq!(send(gateway.admin, "GET", "/consumers/ann/jwt/k", &json!({})).json()["secret"], planted);
}
