//! What `silverback migrations …` does.

use crate::blueprint::Blueprint;
use crate::connect::{Database, Pools, connect};
use crate::failure::{OpenError, sentence};
use crate::rewriting::{Tally, rewrite};
use migration::{Error, Migrations};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

const NEEDS_BOOTSTRAP: &str = "Database needs bootstrapping or is older than Kong 1.0.\n\n\
    To start a new installation from scratch, run 'silverback migrations bootstrap'.";
const NEW: &str = "New migrations available; run 'silverback migrations up' to proceed";
const PENDING: &str = "Database has pending migrations; run 'silverback migrations finish'";

/// What a command prints on stdout, and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The lines.
    pub lines: Vec<String>,
    /// 0, or what `list` says of the state.
    pub code: u8,
}

impl Outcome {
    fn line(text: impl Into<String>) -> Outcome {
        Outcome { lines: vec![text.into()], code: 0 }
    }
}

/// Why a command did nothing; the text follows `Error: ` on stderr, and the exit code is 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// The migrations of one database.
pub struct Commands {
    handle: Handle,
    database: Database,
    migrations: Arc<Migrations>,
    patience: Duration,
}

impl Commands {
    /// `patience`: `--lock-timeout`.
    pub fn new(handle: &Handle, database: Database, blueprint: &Blueprint, patience: Duration) -> Commands {
        let migrations = Migrations::new(blueprint.tables(), database.schema().map(str::to_owned));
        Commands { handle: handle.clone(), database, migrations: Arc::new(migrations), patience }
    }

    /// `migrations bootstrap`. `force` resets first.
    pub async fn bootstrap(&self, force: bool) -> Result<Outcome, Refusal> {
        let name = self.database.name();
        self.run(move |migrations, pools, patience| async move {
            let mut lines = Vec::new();
            let state = migrations.state(&pools.orm).await?;
            if force && !state.needs_bootstrap {
                lines.push("Resetting database...".to_owned());
                migrations.reset(&pools.orm, patience).await?;
                lines.push("Database successfully reset".to_owned());
            } else if !state.needs_bootstrap {
                return Ok(Ok(Outcome::line("Database already bootstrapped")));
            }
            lines.push("Bootstrapping database...".to_owned());
            lines.extend(migrations.bootstrap(&pools.orm, patience).await?.lines(&name));
            lines.push("Database is up-to-date".to_owned());
            Ok(Ok(Outcome { lines, code: 0 }))
        })
        .await
    }

    /// `migrations up`.
    pub async fn up(&self) -> Result<Outcome, Refusal> {
        let name = self.database.name();
        self.run(move |migrations, pools, patience| async move {
            let state = migrations.state(&pools.orm).await?;
            if state.needs_bootstrap {
                return Ok(Err(Refusal(format!("Cannot run migrations: {NEEDS_BOOTSTRAP}"))));
            }
            if !state.pending.is_empty() {
                return Ok(Err(Refusal(PENDING.to_owned())));
            }
            let mut lines = migrations.up(&pools.orm, patience).await?.lines(&name);
            lines.push(match lines.is_empty() {
                true => "Database is already up-to-date".to_owned(),
                false => "Database is up-to-date".to_owned(),
            });
            Ok(Ok(Outcome { lines, code: 0 }))
        })
        .await
    }

    /// `migrations finish`. No migration so far leaves a second half to do.
    pub async fn finish(&self) -> Result<Outcome, Refusal> {
        self.run(|migrations, pools, _| async move {
            let state = migrations.state(&pools.orm).await?;
            if state.needs_bootstrap {
                return Ok(Err(Refusal(format!("Cannot run migrations: {NEEDS_BOOTSTRAP}"))));
            }
            let new = (!state.new.is_empty()).then(|| NEW.to_owned());
            let lines = new.into_iter().chain(["No pending migrations to finish".to_owned()]).collect();
            Ok(Ok(Outcome { lines, code: 0 }))
        })
        .await
    }

    /// `migrations list`; the exit code is 3, 4 or 5 when the database needs bootstrapping, `finish` or `up`.
    pub async fn list(&self) -> Result<Outcome, Refusal> {
        self.run(|migrations, pools, _| async move {
            let (text, code) = migrations.state(&pools.orm).await?.list();
            let lines =
                if code == 3 { vec![NEEDS_BOOTSTRAP.to_owned()] } else { text.lines().map(str::to_owned).collect() };
            Ok(Ok(Outcome { lines, code }))
        })
        .await
    }

    /// `migrations status`: one line of JSON.
    pub async fn status(&self) -> Result<Outcome, Refusal> {
        self.run(
            |migrations, pools, _| async move { Ok(Ok(Outcome::line(migrations.state(&pools.orm).await?.status()))) },
        )
        .await
    }

    /// `keyring status`, and with `write` `keyring encrypt`: how many rows of each kind are as the keyring of a blueprint
    /// wants them, and how many are not; those are rewritten. A blueprint whose keyring is for reading decrypts.
    pub async fn keyring(&self, blueprint: Arc<Blueprint>, write: bool) -> Result<Outcome, Refusal> {
        self.run(move |migrations, pools, _| async move {
            let state = migrations.state(&pools.orm).await?;
            if state.needs_bootstrap {
                return Ok(Err(Refusal(NEEDS_BOOTSTRAP.to_owned())));
            }
            if !state.new.is_empty() || !state.pending.is_empty() {
                return Ok(Err(Refusal(NEW.to_owned())));
            }
            let all = match rewrite(&pools.write, &blueprint, write).await {
                Ok(all) => all,
                Err(fault) => return Ok(Err(Refusal(sentence(&fault)))),
            };
            let told = all.into_iter().filter(|(_, tally)| *tally != Tally::default());
            let changed = if write { "rewritten" } else { "to be rewritten by 'silverback keyring encrypt'" };
            let line = |(kind, tally): (String, Tally)| match tally.other {
                0 => format!("{kind}: {} encrypted", tally.fine),
                other => format!("{kind}: {} encrypted, {other} {changed}", tally.fine),
            };
            let mut lines: Vec<String> = told.map(line).collect();
            if lines.is_empty() {
                lines.push("nothing is encrypted, and nothing is to be".to_owned());
            }
            Ok(Ok(Outcome { lines, code: 0 }))
        })
        .await
    }

    /// `migrations reset`, after the user agreed.
    pub async fn reset(&self) -> Result<Outcome, Refusal> {
        self.run(|migrations, pools, patience| async move {
            if migrations.state(&pools.orm).await?.needs_bootstrap {
                return Ok(Err(Refusal("Database not bootstrapped, nothing to reset".to_owned())));
            }
            migrations.reset(&pools.orm, patience).await?;
            let lines = vec!["Resetting database...".to_owned(), "Database successfully reset".to_owned()];
            Ok(Ok(Outcome { lines, code: 0 }))
        })
        .await
    }

    async fn run<F>(
        &self,
        work: impl FnOnce(Arc<Migrations>, Pools, Duration) -> F + Send + 'static,
    ) -> Result<Outcome, Refusal>
    where
        F: Future<Output = Result<Result<Outcome, Refusal>, Error>> + Send + 'static,
    {
        let (database, migrations, patience) = (self.database.clone(), self.migrations.clone(), self.patience);
        let task = self.handle.spawn(async move {
            crate::open::reach(&database).await.map_err(refusal)?;
            let pools = connect(&database, Some(patience)).map_err(refusal)?;
            let outcome = work(migrations, pools.clone(), patience).await;
            pools.close().await;
            match outcome {
                // Whoever holds the lock does what was asked for.
                Err(error @ Error::Locked) => Ok(Outcome::line(error.to_string())),
                Err(Error::Database(error)) => Err(Refusal(sentence(&error.into()))),
                Err(error) => Err(Refusal(error.to_string())),
                Ok(outcome) => outcome,
            }
        });
        task.await.unwrap_or_else(|error| Err(Refusal(error.to_string())))
    }
}

fn refusal(error: OpenError) -> Refusal {
    Refusal(error.to_string())
}
