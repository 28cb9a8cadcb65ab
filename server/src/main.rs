//! The gateway's binary: command line, start-up, who starts whom, supervision, shutdown.

mod command;
mod node;
mod rate_limiter;
mod route_table;
mod supervise;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("Error: another cryptography provider is installed already");
        return ExitCode::FAILURE;
    }
    match command::Arguments::try_parse() {
        Ok(arguments) => command::run(arguments),
        Err(error) => command::usage(&error),
    }
}
