//! `silverback start`: in the foreground, until a signal ends it.

use super::handover::Link;
use super::prefix::PidFile;
use super::reign::{Reign, Signals};
use super::succession::Line;
use super::{Failure, SettingsArguments};
use crate::node::{Node, Offer, Patience, migrations};
use clap::Args;
use config::{Loaded, Settings, Sources, load};
use proxy::listen::Sockets;
use std::time::Duration;

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
    /// Take the sockets of the process that started this one.
    #[arg(long, hide = true)]
    take_over: bool,
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

/// How long a successor may take to set up what it needs beside its database.
const SETTING_UP: Duration = Duration::from_secs(60);

/// How long a successor waits for the sockets of the process that started it.
const SOCKETS: Duration = Duration::from_secs(10);

/// Starts a node and waits for a signal: TERM and INT end it at once, QUIT after what is in flight, HUP reads
/// configuration and settings again, USR1 opens the log files anew, USR2 has the binary that lies there now take over.
pub(super) fn start(arguments: &StartArguments) -> Result<(), Failure> {
    let loaded = settings(&arguments.settings)?;
    if loaded.settings.cluster.role != config::Role::Traditional {
        return Err(Failure(
            "role: control_plane and data_plane are not available yet; leave it at 'traditional'".into(),
        ));
    }
    let lock = Duration::from_secs(arguments.lock_timeout);
    let patience = Patience { database: Duration::from_secs(arguments.db_timeout), lock };
    let line = Line::of_process(patience.database + lock + SETTING_UP)?;
    let (link, given) = match arguments.take_over {
        false => (None, Sockets::default()),
        true => {
            let link = Link::of_stdin()?;
            let given = link.receive(SOCKETS)?;
            (Some(link), given)
        }
    };
    // The process that was started first is the one that others know.
    let _pid = link.is_none().then(|| PidFile::create(&loaded.settings.prefix)).transpose()?;
    actix_rt::System::new().block_on(async move {
        if arguments.run_migrations && loaded.settings.storage.database != config::Database::Off {
            migrate(&loaded.settings, lock).await?;
        }
        let node = Node::start(&loaded, patience, given).await?;
        let mut signals = Signals::new()?;
        node.watch();
        let watched = match link {
            None => None,
            Some(link) => {
                link.send(node.sockets())?;
                Some(link)
            }
        };
        let reigning = Reign { arguments: &arguments.settings, line, loaded, signals: &mut signals };
        reigning.until_the_end(node, watched).await
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
