//! The prefix folder: the pid file by which commands find a running gateway.

use super::Failure;
use std::path::{Path, PathBuf};

/// The pid file of a prefix.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Where it lies in a prefix.
    pub fn path(prefix: &Path) -> PathBuf {
        prefix.join("pids/silverback.pid")
    }

    /// Writes this process's id, unless a gateway of that prefix runs.
    pub fn create(prefix: &Path) -> Result<Self, Failure> {
        if let Some(pid) = running(prefix).filter(|pid| *pid != std::process::id()) {
            return Err(Failure(format!("Kong is already running in {} (process {pid})", prefix.display())));
        }
        let path = Self::path(prefix);
        let folder = path.parent().unwrap_or(prefix);
        let explain =
            |error: std::io::Error| Failure(format!("could not prepare the prefix at {}: {error}", prefix.display()));
        std::fs::create_dir_all(folder).map_err(explain)?;
        std::fs::write(&path, format!("{}\n", std::process::id())).map_err(explain)?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The process id of the gateway that runs in a prefix, where one does.
pub fn running(prefix: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(PidFile::path(prefix)).ok()?;
    let pid: u32 = text.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    // `kong` is what images call it.
    (name.starts_with("silverback") || name.trim_end() == "kong").then_some(pid)
}
