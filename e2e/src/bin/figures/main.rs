//! Measures what `docs/performance.md` says of the Admin API, of storage and of Lua: `cargo run --profile ci -p e2e --bin figures`
//! measures everything, with names after it some. Exit status 1 where a figure misses its bound.
//!
//! Throughput is given per second of processor time of the gateway, not of the clock: neighbours on the machine do not
//! change it.

mod admin;
mod beside;
mod import;
mod lua;
mod nodes;
mod people;
mod support;

use std::process::ExitCode;
use support::Report;

/// A name, and what it measures.
type Figure = (&'static str, fn(&mut Report));

const ALL: [Figure; 6] = [
    ("admin", admin::measure),
    ("import", import::measure),
    ("people", people::measure),
    ("nodes", nodes::measure),
    ("beside", beside::measure),
    ("lua", lua::measure),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| ALL.iter().all(|(known, _)| known != name)) {
        eprintln!("unknown figure: {unknown}; there are {}", ALL.map(|(name, _)| name).join(", "));
        return ExitCode::FAILURE;
    }
    let mut report = Report::default();
    for (name, measure) in ALL {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&mut report);
        }
    }
    match report.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
