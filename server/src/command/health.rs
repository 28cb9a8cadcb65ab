//! `silverback health`.

use super::prefix::running;
use super::{Failure, SettingsArguments};

/// Tells whether the gateway of a prefix runs.
pub fn health(arguments: &SettingsArguments) -> Result<(), Failure> {
    let prefix = super::start::settings(arguments)?.settings.prefix;
    if running(&prefix).is_none() {
        println!("silverback.......not running\n");
        return Err(Failure(format!("Kong is not running at {}", prefix.display())));
    }
    println!("silverback.......running\n");
    println!("Kong is healthy at {}", prefix.display());
    Ok(())
}
