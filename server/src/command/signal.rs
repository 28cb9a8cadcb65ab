//! `silverback stop`, `quit`, `reload` and `upgrade`: signals to the gateway of a prefix.

use super::prefix::running;
use super::{Failure, SettingsArguments};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// SIGTERM: ends at once.
pub fn stop(arguments: &SettingsArguments) -> Result<(), Failure> {
    let (prefix, pid) = found(arguments)?;
    send("TERM", pid)?;
    if !ends(&prefix, Duration::from_secs(10)) {
        return Err(Failure(format!("process {pid} still runs")));
    }
    println!("Kong stopped");
    Ok(())
}

/// SIGQUIT: ends after what is in flight; SIGTERM after `timeout` seconds.
pub fn quit(arguments: &SettingsArguments, timeout: u64, wait: u64) -> Result<(), Failure> {
    let (prefix, pid) = found(arguments)?;
    std::thread::sleep(Duration::from_secs(wait));
    send("QUIT", pid)?;
    if ends(&prefix, Duration::from_secs(timeout)) {
        println!("Kong stopped (gracefully)");
        return Ok(());
    }
    send("TERM", pid)?;
    println!("Timeout, Kong stopped forcefully");
    Ok(())
}

/// SIGUSR2: the binary takes over. The log says how that ends.
pub fn upgrade(arguments: &SettingsArguments) -> Result<(), Failure> {
    let (_, pid) = found(arguments)?;
    send("USR2", pid)?;
    println!("Kong is being upgraded");
    Ok(())
}

/// SIGHUP: reads its declarative file again, and its settings: where they changed, another process takes over.
pub fn reload(arguments: &SettingsArguments) -> Result<(), Failure> {
    let (_, pid) = found(arguments)?;
    send("HUP", pid)?;
    println!("Kong reloaded");
    Ok(())
}

fn found(arguments: &SettingsArguments) -> Result<(std::path::PathBuf, u32), Failure> {
    let prefix = super::start::settings(arguments)?.settings.prefix;
    if !prefix.exists() {
        return Err(Failure(format!("no such prefix: {}", prefix.display())));
    }
    let pid =
        running(&prefix).ok_or_else(|| Failure(format!("silverback not running in prefix: {}", prefix.display())))?;
    Ok((prefix, pid))
}

fn send(signal: &str, pid: u32) -> Result<(), Failure> {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status()?;
    status.success().then_some(()).ok_or_else(|| Failure(format!("process {pid} cannot be signalled")))
}

fn ends(prefix: &Path, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while running(prefix).is_some() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}
