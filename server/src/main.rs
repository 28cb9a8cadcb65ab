//! The gateway's binary.

use clap::Parser;
use silverback::command::{Arguments, run, usage};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would make an idle gateway three times as large; without them requests cost the same.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("Error: another cryptography provider is installed already");
        return ExitCode::FAILURE;
    }
    match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) => usage(&error),
    }
}
