//! Who runs programs of jq: processes of this binary.

use jq::Pool;
use std::path::PathBuf;

/// The node's processes; none is started yet.
pub(super) fn pool() -> Pool {
    // The binary that runs, also where another lies in its place by now.
    let own = if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() };
    Pool::new(own.unwrap_or_else(|_| "silverback".into()), ["jq".to_owned()])
}
