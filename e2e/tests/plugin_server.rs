//! A plugin in Python, served by the package kong-pdk from PyPI: configured, run, and its server started anew.

use e2e::{Backend, Gateway, Reply, eventually, get};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pluginserver/greeter.py");
const PACKAGE: &str = "kong-pdk==0.36";

/// A Python that has the package, in an environment of its own; none where it cannot be installed.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kong-pdk");
        let python = folder.join("bin/python3");
        let run = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let there = || run(&python, &["-c", "import kong_pdk.cli"]);
        let made = || run(Path::new("python3"), &["-m", "venv", folder.to_str()?]).then_some(());
        if !there() {
            made()?;
            run(&python, &["-m", "pip", "install", "-q", PACKAGE]);
        }
        there().then_some(python)
    };
    PYTHON.get_or_init(install).as_deref()
}

struct Greeter {
    gateway: Gateway,
    backend: Backend,
    folder: tempfile::TempDir,
}

impl Greeter {
    fn start() -> Option<Self> {
        let Some(python) = python() else {
            eprintln!("skipped: {PACKAGE} cannot be installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let prefix = folder.path();
        let command = format!("{} {PLUGIN} --no-lua-style --kong-prefix {}", python.display(), prefix.display());
        let gateway = Gateway::start_in(
            prefix,
            &[
                ("KONG_PLUGINS", "bundled,greeter"),
                ("KONG_PLUGINSERVER_NAMES", "py"),
                ("KONG_PLUGINSERVER_PY_START_CMD", &format!("{command} --socket-name py.socket")),
                ("KONG_PLUGINSERVER_PY_QUERY_CMD", &format!("{command} --dump")),
            ],
        );
        let backend = Backend::start();
        let entries = prefix.join("entries");
        let configuration = json!({
            "_format_version": "3.0",
            "services": [{
                "name": "hello", "host": "127.0.0.1", "port": backend.address.port(),
                "routes": [{
                    "name": "greeted", "paths": ["/greeted"],
                    "plugins": [{ "name": "greeter", "config": { "entries": entries } }],
                }],
            }],
        });
        assert_eq!(gateway.configure(&configuration).status, 201);
        let greeter = Self { gateway, backend, folder };
        eventually("the route is there", || greeter.ask("").status != 404);
        Some(greeter)
    }

    fn ask(&self, query: &str) -> Reply {
        get(self.gateway.proxy, &format!("/greeted{query}"), &[("X-Asked", "here")])
    }

    /// The process that runs the plugin, once it does.
    fn pid(&self) -> String {
        let mut pid = String::new();
        eventually("the plugin runs", || {
            let answer = self.ask("");
            pid = answer.header("x-pid").unwrap_or_default().to_owned();
            assert!(matches!(answer.status, 200 | 500), "{}", answer.status);
            answer.status == 200
        });
        assert!(Path::new("/proc").join(&pid).exists(), "{pid}");
        pid
    }
}

#[test]
fn a_plugin_in_python_runs() {
    let Some(greeter) = Greeter::start() else { return };
    greeter.pid();
    let answer = greeter.ask("?a=b");
    assert_eq!((answer.status, answer.header("x-seen")), (200, Some("here")));
    assert_eq!(answer.header("x-length"), Some(answer.text().len().to_string().as_str()));
    let seen = |name: &str| greeter.backend.seen(name);
    assert_eq!((seen("x-python"), seen("x-absent")), (vec!["hello GET".to_owned()], vec!["None".to_owned()]));
    assert!(seen("x-refused")[0].contains("header name must be a string"), "{:?}", seen("x-refused"));
    let asked = greeter.backend.requests();
    let exit = greeter.ask("?do=exit");
    assert_eq!((exit.status, exit.header("x-from")), (418, Some("python")));
    assert_eq!((exit.json(), greeter.backend.requests()), (json!({ "message": "hello" }), asked));
    let entries = greeter.folder.path().join("entries");
    eventually("the requests are logged", || {
        let entries = std::fs::read_to_string(&entries).unwrap_or_default();
        entries.contains("/greeted?a=b here 200\n") && entries.contains("/greeted?do=exit None 418\n")
    });

    let admin = greeter.gateway.admin;
    let schema = get(admin, "/schemas/plugins/greeter", &[]).json();
    assert!(schema["fields"].to_string().contains("What is said."), "{schema}");
    let root = get(admin, "/", &[]).json();
    let shown = &root["plugins"]["available_on_server"]["greeter"];
    assert_eq!((&shown["priority"], &shown["version"]), (&json!(1500), &json!("1.2.0")));
    let refused = greeter.gateway.configure(&json!({
        "_format_version": "3.0", "plugins": [{ "name": "greeter", "config": { "message": 1 } }],
    }));
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("expected a string"), "{}", refused.text());
}

#[test]
fn a_server_that_ends_is_started_anew() {
    let Some(mut greeter) = Greeter::start() else { return };
    let first = greeter.pid();
    assert_eq!(greeter.ask("?do=die").status, 500);
    let second = greeter.pid();
    assert_ne!(first, second);
    // The package answers nothing to such an event. Whether other answers come between, so that the server counts as
    // alive, or three such events in a row end it, is a matter of moments.
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(|| greeter.ask("?do=raise").status)).collect();
        for answer in asked {
            assert_eq!(answer.join().expect("no panic"), 500);
        }
    });
    let mut third = String::new();
    eventually("it is served again", || {
        let answer = greeter.ask("");
        third = answer.header("x-pid").unwrap_or_default().to_owned();
        answer.status == 200
    });
    greeter.gateway.signal("TERM");
    assert!(greeter.gateway.wait().success());
    assert!(!Path::new("/proc").join(&third).exists(), "the server has outlived the gateway");
}

#[test]
fn a_server_that_describes_nothing_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = [
        ("KONG_PLUGINSERVER_NAMES", "go"),
        ("KONG_PLUGINSERVER_GO_QUERY_CMD", r#"echo '{"Protocol":"ProtoBuf:2","Plugins":[]}'"#),
    ];
    let output = Gateway::command(folder.path(), &settings).output().expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("plugin server 'go': its query command: its protocol is ProtoBuf:2"), "{said}");
}
