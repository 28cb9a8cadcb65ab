//! Lines at the end of a file. Disks may be slow, so writing happens on blocking threads, one batch after the other.

use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(in crate::ship) struct Lines {
    path: Arc<Path>,
    reopen: bool,
    open: Option<(File, u64)>,
}

impl Lines {
    pub fn new(path: PathBuf, reopen: bool) -> Self {
        Self { path: path.into(), reopen, open: None }
    }

    /// Opens the file, so that one that cannot be opened is known when it is configured.
    pub async fn prepare(&mut self, epoch: u64) {
        if self.reopen {
            return;
        }
        let path = self.path.clone();
        match actix_rt::task::spawn_blocking(move || open(&path)).await {
            Ok(Ok(file)) => self.open = Some((file, epoch)),
            Ok(Err(error)) => {
                tracing::error!(path = %self.path.display(), %error, "a log file cannot be opened; its lines are lost until it can");
            }
            Err(error) => tracing::error!(%error, "a log file cannot be opened"),
        }
    }

    /// Appends messages, in one write where the system takes it so.
    pub async fn write(&mut self, messages: &[Bytes], epoch: u64) -> Result<(), String> {
        let kept = self.open.take().filter(|(_, of)| !self.reopen && *of == epoch);
        let (path, bytes) = (self.path.clone(), messages.concat());
        let written = actix_rt::task::spawn_blocking(move || -> io::Result<File> {
            let mut file = match kept {
                Some((file, _)) => file,
                None => open(&path)?,
            };
            file.write_all(&bytes)?;
            Ok(file)
        });
        let file = written.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.open = (!self.reopen).then_some((file, epoch));
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o644).open(path)
}
