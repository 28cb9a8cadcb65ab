//! `silverback check`.

use config::{Sources, load};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks a configuration file together with the environment; every error is a line.
pub fn check(conf: PathBuf) -> ExitCode {
    match load(&Sources::of_process(Some(conf.clone()))) {
        Ok(loaded) => {
            for notice in &loaded.notices {
                eprintln!("[warn] {}", notice.text);
            }
            println!("configuration at {} is valid", conf.display());
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in &problems.0 {
                eprintln!("[error] {problem}");
            }
            ExitCode::FAILURE
        }
    }
}
