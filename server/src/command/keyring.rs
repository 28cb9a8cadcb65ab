//! `silverback keyring …`: what is encrypted in the database, and bringing it in line with `keyring_secret`.

use super::{Failure, SettingsArguments};
use crate::node::{Offer, blueprint, migrations};
use clap::Subcommand;
use std::sync::Arc;
use std::time::Duration;
use store_sql::Keyring;

/// How long another node that writes is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Subcommand)]
pub(super) enum KeyringCommand {
    /// Tell how much is encrypted, and how much is not or with an older secret.
    Status(SettingsArguments),
    /// Encrypt with the first secret what is not encrypted, or with another one.
    Encrypt(SettingsArguments),
    /// Decrypt everything: before keyring_secret is taken away.
    Decrypt(SettingsArguments),
}

/// Runs one; nodes may go on serving meanwhile.
pub(super) fn run(command: &KeyringCommand) -> Result<(), Failure> {
    let (KeyringCommand::Status(given) | KeyringCommand::Encrypt(given) | KeyringCommand::Decrypt(given)) = command;
    let settings = super::start::settings(given)?.settings;
    if settings.storage.database == config::Database::Off {
        return Err(Failure("there is nothing to encrypt without a database (database = off)".into()));
    }
    let writes = !matches!(command, KeyringCommand::Status(_));
    if writes && settings.storage.keyring.is_empty() {
        return Err(Failure("keyring_secret is not set: there is no key to encrypt or decrypt with".into()));
    }
    let kinds = Offer::of(&settings)?.kinds;
    let used = |keyring: Keyring| match command {
        KeyringCommand::Decrypt(_) => keyring.reading_only(),
        _ => keyring,
    };
    let blueprint = Arc::new(blueprint(&settings, &kinds, used)?);
    // Dropped last: the command runs on it.
    let (commands, _background) = migrations(&settings, &kinds, PATIENCE)?;
    let outcome = actix_rt::System::new().block_on(commands.keyring(blueprint, writes))?;
    outcome.lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}
