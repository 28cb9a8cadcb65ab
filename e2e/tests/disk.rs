//! A disk that is full.

use e2e::{Gateway, create, eventually, send};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a gateway whose database is on a disk of so many KiB that nobody else sees.
fn on_a_small_disk(folder: &Path, kib: u32) -> Gateway {
    let disk = folder.join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let gateway = Gateway::command(folder, &[]);
    let mount = "mount -t tmpfs -o size=\"$1\"k none \"$2\" && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    // For whoever is not root, a namespace in which they are.
    command.args(["--map-root-user", "--mount", "sh", "-c", mount, "sh", &kib.to_string()]).arg(&disk);
    command.arg(gateway.get_program()).args(gateway.get_args()).env_clear();
    command.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("KONG_DATABASE", "sqlite").env("KONG_SQLITE_PATH", disk.join("a.db"));
    Gateway::run(folder, command)
}

fn names(gateway: &Gateway) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), "/services?size=1000".to_owned());
    loop {
        let page = send(gateway.admin, "GET", &next, &Value::Null).json();
        let names = page["data"].as_array().expect("a page").iter().filter_map(|service| service["name"].as_str());
        found.extend(names.map(str::to_owned));
        match page["next"].as_str() {
            Some(path) => next = path.to_owned(),
            None => return found,
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = on_a_small_disk(folder.path(), 9_000);
    // The disk as the gateway sees it.
    let disk = PathBuf::from(format!("/proc/{}/root", gateway.pid()))
        .join(folder.path().join("disk").strip_prefix("/").expect("an absolute path"));
    let ballast = disk.join("ballast");
    // As much as SQLite may need before its log can begin anew: the log, of up to 1,000 pages, is copied into the file.
    std::fs::write(&ballast, vec![1; 4 << 20]).expect("there is room");
    let mut acknowledged = BTreeSet::new();
    let tag = "x".repeat(2_000);
    let mut write = |number: usize| {
        let name = format!("s{number}");
        let reply = send(gateway.admin, "POST", "/services", &json!({ "name": name, "host": "a.test", "tags": [tag] }));
        if reply.status == 201 {
            acknowledged.insert(name);
        }
        reply
    };
    let (number, refused) =
        (0..).map(|number| (number, write(number))).find(|(_, reply)| reply.status != 201).expect("ends");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(refused.json()["message"], "the disk of the database is full; nothing was written");
    for more in 1..20 {
        let reply = write(number + more);
        assert!(reply.status == 201 || reply.status >= 500, "{}", reply.text());
    }
    assert_eq!(names(&gateway), acknowledged, "all that was acknowledged is there, and nothing else");

    // As after a loss of power: a copy of the files, taken while the process stands still.
    gateway.signal("STOP");
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    for name in ["a.db", "a.db-wal"] {
        std::fs::copy(disk.join(name), copy.join(name)).expect("is copied");
    }
    gateway.signal("CONT");
    let path = copy.join("a.db").display().to_string();
    let again = Gateway::start(&[("KONG_DATABASE", "sqlite"), ("KONG_SQLITE_PATH", &path)]);
    assert_eq!(names(&again), acknowledged);
    drop(again);

    std::fs::remove_file(&ballast).expect("is removed");
    eventually("with room, writes work again", || {
        send(gateway.admin, "PUT", "/services/after", &json!({ "host": "a.test" })).status == 200
    });
    create(gateway.admin, "/services/after/routes", &json!({ "paths": ["/after"] }));
    gateway.signal("TERM");
    gateway.wait();
}
