//! The token with which clients on other machines may ask for timings (`request_debug`).

use config::Settings;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Where it is found, in the prefix.
const FILE: &str = ".request_debug_token";

/// The token of this start: the one that is set, else a random one, which the error log tells. The prefix has it in a file
/// that only the gateway's user reads. `None` where nobody may ask, and then there is no file.
pub(super) fn token(settings: &Settings) -> Option<Arc<str>> {
    let (tracing, path) = (&settings.tracing, settings.prefix.join(FILE));
    if !tracing.request_debug {
        let _ = std::fs::remove_file(&path);
        return None;
    }
    let token = match &tracing.request_debug_token {
        Some(token) => token.reveal().to_owned(),
        None => {
            let token = Uuid::new_v4().to_string();
            ::tracing::info!("[request-debug] token for request debugging: {token}");
            token
        }
    };
    if let Err(error) = keep(&path, &token) {
        ::tracing::warn!(path = %path.display(), %error, "the token for request debugging cannot be kept in a file");
    }
    Some(token.into())
}

fn keep(path: &Path, token: &str) -> std::io::Result<()> {
    // One that was there may have been readable by others.
    let _ = std::fs::remove_file(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(token.as_bytes())
}
