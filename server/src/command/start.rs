//! `silverback start`: in the foreground, until a signal ends it.

use super::prefix::PidFile;
use super::{Failure, SettingsArguments};
use crate::node::{Node, Offer, Patience, migrations};
use clap::Args;
use config::{Loaded, Settings, Sources, load};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How to start.
#[derive(Args)]
pub(super) struct StartArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Set up or bring up to date the database first.
    #[arg(long)]
    run_migrations: bool,
    /// Seconds during which a database that cannot be reached is asked again.
    #[arg(long, default_value_t = 60, value_name = "SEC")]
    db_timeout: u64,
    /// Seconds to wait for another node that migrates.
    #[arg(long, default_value_t = 60, value_name = "SEC")]
    lock_timeout: u64,
}

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
pub(super) fn start(arguments: &StartArguments) -> Result<(), Failure> {
    let loaded = settings(&arguments.settings)?;
    if loaded.settings.cluster.role != config::Role::Traditional {
        return Err(Failure(
            "role: control_plane and data_plane are not available yet; leave it at 'traditional'".into(),
        ));
    }
    let lock = Duration::from_secs(arguments.lock_timeout);
    let patience = Patience { database: Duration::from_secs(arguments.db_timeout), lock };
    let _pid = PidFile::create(&loaded.settings.prefix)?;
    actix_rt::System::new().block_on(async move {
        if arguments.run_migrations && loaded.settings.storage.database != config::Database::Off {
            migrate(&loaded.settings, lock).await?;
        }
        let node = Node::start(&loaded, patience).await?;
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

async fn migrate(settings: &Settings, lock: Duration) -> Result<(), Failure> {
    let (commands, _background) = migrations(settings, &Offer::of(settings)?.kinds, lock)?;
    let mut outcome = commands.bootstrap(false).await?;
    for next in [commands.up().await?, commands.finish().await?] {
        outcome.lines.extend(next.lines);
    }
    for line in outcome.lines {
        println!("{line}");
    }
    Ok(())
}
