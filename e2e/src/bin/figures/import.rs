//! How long 10,000 Services with a Route each take to come in.

use crate::support::{Client, Report, SQLITE, during, run, together};
use e2e::{Backend, Gateway, Postgres, eventually, get};
use serde_json::{Value, json};
use std::path::Path;

const COUNT: usize = 10_000;
const CLIENTS: usize = 4;
const BOUND: f64 = 10.0;

fn service(index: usize, backend: &Backend) -> Value {
    json!({ "name": format!("s{index}"), "host": "127.0.0.1", "port": backend.address.port() })
}

fn route(index: usize) -> Value {
    json!({ "name": format!("r{index}"), "paths": [format!("/p{index}")] })
}

fn document(backend: &Backend) -> Value {
    let services: Vec<Value> = (0..COUNT)
        .map(|index| {
            let mut service = service(index, backend);
            service["routes"] = json!([route(index)]);
            service
        })
        .collect();
    json!({ "_format_version": "3.0", "services": services })
}

fn last(gateway: &Gateway) -> u16 {
    get(gateway.proxy, &format!("/p{}", COUNT - 1), &[]).status
}

fn by_file(report: &mut Report, name: &str, folder: &Path, settings: &[(&str, &str)], file: &Path) {
    // Set up before: migrations are not what is measured.
    run(folder, &["migrations", "bootstrap"], settings);
    let seconds = run(folder, &["config", "db_import", &file.display().to_string()], settings);
    report.at_most(&format!("db_import of {COUNT} Services and Routes, {name}"), seconds, BOUND, "s");
}

pub fn measure(report: &mut Report) {
    let (backend, folder) = (Backend::start(), tempfile::tempdir().expect("a folder"));
    let document = document(&backend);
    let file = folder.path().join("many.json");
    std::fs::write(&file, document.to_string()).expect("a file");

    let gateway = Gateway::start(&[]);
    let (clock, _) = during(&gateway, || assert_eq!(gateway.configure(&document).status, 201));
    report.at_most(&format!("POST /config of {COUNT} Services and Routes"), clock, BOUND, "s");
    assert_eq!(last(&gateway), 200, "served when it is answered");
    drop(gateway);

    by_file(report, "SQLite", &folder.path().join("sqlite"), &SQLITE, &file);
    let postgres = Postgres::start();
    let settings = postgres.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    by_file(report, "PostgreSQL", &folder.path().join("postgres"), &settings, &file);

    let gateway = Gateway::start(&SQLITE);
    let (clock, processor) = during(&gateway, || {
        together(gateway.admin, CLIENTS, COUNT / 2, |client, index| {
            let made = client.create("/services", &service(index, &backend));
            client.create(&format!("/services/{}/routes", made["id"].as_str().expect("an id")), &route(index));
        });
        eventually("the last is served", || get(gateway.proxy, &format!("/p{}", COUNT / 2 - 1), &[]).status == 200);
    });
    report.at_most(
        &format!("{COUNT} Services and Routes one by one through the Admin API"),
        processor,
        BOUND,
        "s of one core",
    );
    report.tell("  of the clock", clock, "s");
    let (listed, _) = Client::to(gateway.admin).read("/routes?size=1000");
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1000));
}
