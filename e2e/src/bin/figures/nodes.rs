//! How long it takes until a change made on one node is served by another on the same PostgreSQL.

use crate::support::{Client, Report, ms, quantile};
use e2e::{Backend, Gateway, Postgres, Relay, get};
use serde_json::json;
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;
const BOUND: f64 = 100.0;

fn on(postgres: &Postgres, port: u16, frequency: &str) -> Gateway {
    let port = port.to_string();
    let mut settings = postgres.settings();
    settings.extend([("KONG_PG_PORT", port), ("KONG_DB_UPDATE_FREQUENCY", frequency.to_owned())]);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Gateway::start(&settings)
}

/// Milliseconds from the answer of one node until the other serves, for each of so many Routes.
fn latencies(one: &Gateway, other: &Gateway, prefix: &str, rounds: usize) -> Vec<f64> {
    let mut client = Client::to(one.admin);
    (0..rounds)
        .map(|index| {
            let path = format!("/{prefix}{index}");
            client.create("/services/s/routes", &json!({ "paths": [path] }));
            let begun = Instant::now();
            while get(other.proxy, &path, &[]).status != 200 {
                assert!(begun.elapsed() < Duration::from_secs(30), "{path} is not served");
                std::thread::sleep(Duration::from_micros(500));
            }
            ms(begun.elapsed())
        })
        .collect()
}

pub fn measure(report: &mut Report) {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let deaf = Relay::to(postgres.port);
    deaf.deafen();
    // An hour: what is served before is served by notifications alone.
    let (one, two) = (on(&postgres, postgres.port, "3600"), on(&postgres, postgres.port, "3600"));
    let three = on(&postgres, deaf.port, "1");
    let mut client = Client::to(one.admin);
    client.create("/services", &json!({ "name": "s", "host": "127.0.0.1", "port": backend.address.port() }));
    let mut times = latencies(&one, &two, "a", ROUNDS);
    report.tell("a change is served by another node, half within", quantile(&mut times, 0.5), "ms");
    report.at_most("  all within", quantile(&mut times, 1.0), BOUND, "ms");
    let mut times = latencies(&one, &three, "b", 5);
    report.at_most(
        "without notifications, db_update_frequency = 1, all within",
        quantile(&mut times, 1.0),
        1_000.0 + BOUND,
        "ms",
    );
}
