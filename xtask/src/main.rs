//! Build helpers: `cargo xtask docs` writes the reference pages that come from definitions in the code;
//! `cargo xtask docs --check` fails where they are not what the code says; `cargo xtask ui` builds the manager.

mod texts;
mod ui;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["docs"] => docs(false),
        ["docs", "--check"] => docs(true),
        ["ui"] => manager(ui::Build::Release),
        ["ui", "--dev"] => manager(ui::Build::Dev),
        _ => {
            eprintln!("usage: cargo xtask docs [--check] | ui [--dev]");
            ExitCode::FAILURE
        }
    }
}

fn manager(build: ui::Build) -> ExitCode {
    match ui::build(build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn docs(check: bool) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let wanted = config::reference_markdown();
    if std::fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
        return ExitCode::SUCCESS;
    }
    if check {
        eprintln!("docs/configuration.md is not what the code says: run `cargo xtask docs`");
        return ExitCode::FAILURE;
    }
    match std::fs::write(&path, wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
