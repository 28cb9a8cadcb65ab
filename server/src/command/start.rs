//! `silverback start`: in the foreground, until a signal ends it.

use super::prefix::PidFile;
use super::{Failure, SettingsArguments};
use crate::node::Node;
use config::{Loaded, Sources, load};
use tokio::signal::unix::{SignalKind, signal};

/// Settings from file, environment and command line; every problem at once.
pub fn settings(arguments: &SettingsArguments) -> Result<Loaded, Failure> {
    let mut sources = Sources::of_process(arguments.conf.clone());
    if let Some(prefix) = &arguments.prefix {
        sources = sources.with("prefix", prefix.to_string_lossy());
    }
    load(&sources).map_err(|problems| {
        let lines: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        Failure(lines.join("\n"))
    })
}

/// Starts a node and waits for a signal: TERM and INT end it at once, QUIT after what is in flight, HUP reads the
/// declarative file again, USR1 opens the log files anew.
pub fn start(arguments: &SettingsArguments) -> Result<(), Failure> {
    let loaded = settings(arguments)?;
    if loaded.settings.cluster.role != config::Role::Traditional {
        return Err(Failure(
            "role: control_plane and data_plane are not available yet; leave it at 'traditional'".into(),
        ));
    }
    if loaded.settings.storage.database != config::Database::Off {
        return Err(Failure(format!(
            "database: '{}' is not available yet; set KONG_DATABASE=off and give a declarative configuration",
            loaded.settings.storage.database.name()
        )));
    }
    let _pid = PidFile::create(&loaded.settings.prefix)?;
    actix_rt::System::new().block_on(async move {
        let node = Node::start(&loaded).await?;
        node.watch();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut reopen = signal(SignalKind::user_defined1())?;
        let gracefully = loop {
            tokio::select! {
                _ = terminate.recv() => break false,
                _ = interrupt.recv() => break false,
                _ = quit.recv() => break true,
                _ = hangup.recv() => {
                    node.reopen_logs();
                    node.reload().await;
                }
                _ = reopen.recv() => node.reopen_logs(),
            }
        };
        node.stop(gracefully).await;
        Ok(())
    })
}
