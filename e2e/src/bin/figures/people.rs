//! 100,000 Consumers with a credential each: pages, and the memory of the node.

use crate::support::{Client, Report, SQLITE, during, ms, quantile, run};
use e2e::{Backend, Gateway, Postgres, eventually, get};
use serde_json::{Value, json};
use std::path::Path;

const MANY: usize = 100_000;
const PAGE: f64 = 20.0;
/// What the node may hold more with many Consumers than with few, in MiB.
const MORE: f64 = 10.0;

/// A Route that asks for a key, and so many Consumers with one.
fn document(count: usize, backend: &Backend) -> Value {
    let consumers: Vec<Value> = (0..count)
        .map(|index| {
            json!({
                "username": format!("c{index}"),
                "tags": [format!("t{}", index % 100)],
                "keyauth_credentials": [{ "key": format!("k{index}") }],
            })
        })
        .collect();
    let route = json!({ "name": "r", "paths": ["/s"], "plugins": [{ "name": "key-auth" }] });
    let service = json!({ "name": "s", "host": "127.0.0.1", "port": backend.address.port(), "routes": [route] });
    json!({ "_format_version": "3.0", "services": [service], "consumers": consumers })
}

fn fill(folder: &Path, settings: &[(&str, &str)], count: usize, backend: &Backend) -> f64 {
    let file = folder.join(format!("{count}.json"));
    std::fs::write(&file, document(count, backend).to_string()).expect("a file");
    run(folder, &["config", "db_import", &file.display().to_string()], settings)
}

/// Reads every page; milliseconds of each.
fn pages(gateway: &Gateway, path: &str, expected: usize) -> Vec<f64> {
    let mut client = Client::to(gateway.admin);
    let (mut next, mut found, mut times) = (path.to_owned(), 0, Vec::new());
    loop {
        let (page, took) = client.read(&next);
        times.push(ms(took));
        found += page["data"].as_array().map_or(0, Vec::len);
        match page["next"].as_str() {
            Some(path) => next = path.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, expected, "{path}");
    times
}

fn served(gateway: &Gateway, keys: impl Iterator<Item = usize>) {
    for index in keys {
        let key = format!("k{index}");
        assert_eq!(get(gateway.proxy, "/s/x", &[("apikey", &key)]).status, 200, "{key}");
    }
}

/// Memory after a start, and after pages were read and a thousand clients came.
fn memory(gateway: &Gateway, count: usize) -> (f64, f64) {
    eventually("it is served", || get(gateway.proxy, "/s/x", &[("apikey", "k0")]).status == 200);
    let idle = gateway.memory();
    pages(gateway, "/consumers?size=1000", count);
    served(gateway, (0..1000).map(|index| index * count / 1000));
    (idle, gateway.memory())
}

fn on(report: &mut Report, name: &str, settings: &[(&str, &str)], backend: &Backend) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    report.tell(
        &format!("importing {MANY} Consumers with a key each, {name}"),
        fill(folder.path(), settings, MANY, backend),
        "s",
    );
    let gateway = Gateway::start_in(folder.path(), settings);
    let memory = memory(&gateway, MANY);
    for (path, expected) in [
        ("/consumers", MANY),
        ("/consumers?size=1000", MANY),
        ("/key-auths?size=1000", MANY),
        ("/consumers?tags=t7&size=1000", MANY / 100),
        ("/consumers/c500/key-auth", 1),
    ] {
        let mut times = Vec::new();
        let (_, processor) = during(&gateway, || {
            // Enough pages for the processor's clock, which counts hundredths of a second.
            while times.len() < 100 {
                times.extend(pages(&gateway, path, expected));
            }
        });
        let each = processor * 1000.0 / times.len() as f64;
        report.at_most(&format!("a page of {path}, {name}"), each, PAGE, "ms of one core");
        report.tell("  of the clock, 99 of 100 within", quantile(&mut times, 0.99), "ms");
    }
    memory
}

pub fn measure(report: &mut Report) {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), &SQLITE, 1_000, &backend);
    let few = Gateway::start_in(folder.path(), &SQLITE);
    let (few_idle, few_used) = memory(&few, 1_000);
    drop(few);
    let (idle, used) = on(report, "SQLite", &SQLITE, &backend);
    report.tell("memory with 1,000 Consumers", few_idle, "MiB");
    report.tell("  after pages and 1,000 clients", few_used, "MiB");
    report.at_most(&format!("memory with {MANY} Consumers, more than with 1,000"), idle - few_idle, MORE, "MiB");
    report.tell("  after pages and 1,000 clients", used, "MiB");
    let postgres = Postgres::start();
    let settings = postgres.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    on(report, "PostgreSQL", &settings, &backend);
}
