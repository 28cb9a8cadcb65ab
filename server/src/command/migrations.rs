//! `silverback migrations …`: setting a database up, and bringing it up to date.

use super::{Failure, SettingsArguments};
use crate::node::{Database, Offer, Patience, migrations};
use clap::{Args, Subcommand};
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use store_sql::Outcome;

/// What is asked for.
#[derive(Subcommand)]
pub(super) enum MigrationsCommand {
    /// Set up an empty database.
    Bootstrap(MigrationsArguments),
    /// Bring an older database up to date.
    Up(MigrationsArguments),
    /// End what `up` began.
    Finish(MigrationsArguments),
    /// Tell what is done and what is not; exit status 3, 4 or 5 where bootstrap, finish or up is needed.
    List(MigrationsArguments),
    /// The same as one line of JSON.
    Status(MigrationsArguments),
    /// Remove everything from the database.
    Reset(MigrationsArguments),
}

#[derive(Args)]
pub(super) struct MigrationsArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Say nothing.
    #[arg(short, long)]
    quiet: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Bootstrap a database anew that was used before.
    #[arg(short, long)]
    force: bool,
    /// Seconds for an operation on the database.
    #[arg(long, default_value_t = 60, value_name = "SEC")]
    db_timeout: u64,
    /// Seconds to wait for another node that migrates.
    #[arg(long, default_value_t = 60, value_name = "SEC")]
    lock_timeout: u64,
    /// Ignored: compose files split `kong migrations up && kong migrations finish` into words.
    #[arg(hide = true)]
    further: Vec<String>,
}

/// Runs one. The exit status is 0, 1 with a sentence, or what `list` says of the state.
pub(super) fn run(command: &MigrationsCommand) -> Result<ExitCode, Failure> {
    let (MigrationsCommand::Bootstrap(given)
    | MigrationsCommand::Up(given)
    | MigrationsCommand::Finish(given)
    | MigrationsCommand::List(given)
    | MigrationsCommand::Status(given)
    | MigrationsCommand::Reset(given)) = command;
    let settings = super::start::settings(&given.settings)?.settings;
    if settings.storage.database == config::Database::Off {
        return Err(Failure("there is nothing to migrate without a database (database = off)".into()));
    }
    let kinds = Offer::of(&settings)?.kinds;
    let asks = matches!(command, MigrationsCommand::Reset(_));
    if asks && !given.yes && !agreed()? {
        println!("cancelled");
        return Ok(ExitCode::SUCCESS);
    }
    // Dropped last: the commands run on it.
    let (commands, _background) = migrations(&settings, &kinds, Duration::from_secs(given.lock_timeout))?;
    let outcome: Result<_, Failure> = actix_rt::System::new().block_on(async {
        let outcome = match command {
            MigrationsCommand::Bootstrap(given) => {
                let outcome = commands.bootstrap(given.force).await?;
                // What every database has from the beginning: the default workspace, roles, the first super admin.
                let lock = Duration::from_secs(given.lock_timeout);
                let patience = Patience { database: Duration::from_secs(given.db_timeout), lock };
                let database = Database::open(&settings, &kinds, patience).await.map_err(Failure)?;
                database.check_way_in(&settings).await.map_err(Failure)?;
                return Ok(outcome);
            }
            MigrationsCommand::Up(_) => commands.up().await,
            MigrationsCommand::Finish(_) => commands.finish().await,
            MigrationsCommand::List(_) => commands.list().await,
            MigrationsCommand::Status(_) => commands.status().await,
            MigrationsCommand::Reset(_) => commands.reset().await,
        };
        outcome.map_err(Failure::from)
    });
    Ok(print(&outcome?, given.quiet))
}

fn print(outcome: &Outcome, quiet: bool) -> ExitCode {
    for line in outcome.lines.iter().filter(|_| !quiet) {
        println!("{line}");
    }
    ExitCode::from(outcome.code)
}

/// Asks whoever sits there.
fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure("not a tty: invoke 'reset' non-interactively with the --yes flag".into()));
    }
    print!("> Are you sure? This operation is irreversible. [y/n] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
