//! The command line: Kong's commands, outputs and exit statuses.

mod check;
mod configuration;
mod handover;
mod health;
mod keyring;
mod migrations;
mod plugin_test;
mod prefix;
mod reign;
mod signal;
mod start;
mod succession;
mod version;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Silverback, an API gateway that speaks Kong.
#[derive(Parser)]
#[command(name = "silverback", disable_version_flag = true, arg_required_else_help = true)]
pub struct Arguments {
    /// Verbose output.
    #[arg(long = "v", global = true)]
    verbose: bool,
    /// Debug output.
    #[arg(long = "vv", global = true)]
    debug: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where settings come from.
#[derive(Args, Clone, Default)]
struct SettingsArguments {
    /// Configuration file; else /etc/kong/kong.conf, else /etc/kong.conf, where they exist.
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Prefix: the folder of pid file, logs and the last good configuration.
    #[arg(short = 'p', long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the gateway in the foreground.
    Start(start::StartArguments),
    /// Check a configuration file and the environment.
    Check {
        /// The file.
        #[arg(default_value = "/etc/kong/kong.conf")]
        conf: PathBuf,
    },
    /// Declarative configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Set a database up, and bring it up to date.
    #[command(subcommand)]
    Migrations(migrations::MigrationsCommand),
    /// What is encrypted in the database, by keyring_secret.
    #[command(subcommand)]
    Keyring(keyring::KeyringCommand),
    /// Plugins in folders.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Run programs of jq that come in by standard input, for the gateway that started this.
    #[command(hide = true)]
    Jq,
    /// Tell whether the gateway of a prefix runs.
    Health(SettingsArguments),
    /// Tell the version.
    Version {
        /// Of everything inside, too.
        #[arg(short, long)]
        all: bool,
    },
    /// End the gateway of a prefix after what is in flight.
    Quit {
        #[command(flatten)]
        settings: SettingsArguments,
        /// Seconds to wait before ending it by force.
        #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
        timeout: u64,
        /// Seconds to wait before asking.
        #[arg(short, long, default_value_t = 0)]
        wait: u64,
    },
    /// End the gateway of a prefix at once.
    Stop(SettingsArguments),
    /// Have the gateway of a prefix read its configuration and its settings again; no listener closes.
    Reload(SettingsArguments),
    /// Have the binary that lies there now take over from the gateway of a prefix; no listener closes.
    Upgrade(SettingsArguments),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check a declarative file.
    Parse {
        /// YAML or JSON.
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Check which Routes a declarative file chooses for given requests.
    Test {
        /// YAML or JSON.
        file: PathBuf,
        /// YAML or JSON: a list of `{request: {method, url, headers}, route: name | null}`.
        cases: PathBuf,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Bring a declarative file into the database.
    #[command(name = "db_import")]
    DbImport {
        /// YAML or JSON.
        file: PathBuf,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Write what the database holds into a declarative file.
    #[command(name = "db_export")]
    DbExport {
        /// The file to write.
        #[arg(default_value = "kong.yml")]
        file: PathBuf,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Write an example declarative file.
    Init {
        /// The file to write.
        #[arg(default_value = "kong.yml")]
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Run the cases of a plugin against a gateway of its own.
    Test {
        /// The plugin's folder: …/kong/plugins/<name>.
        folder: PathBuf,
        /// YAML or JSON; else cases.yaml, cases.yml or cases.json of that folder.
        cases: Option<PathBuf>,
    },
}

/// Why a command failed; printed as `Error: <text>`.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs a command. Exit status 0, or 1 with a sentence on standard error.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Migrations(command) => match migrations::run(&command) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Keyring(command) => keyring::run(&command),
        Command::Start(given) => start::start(&given),
        Command::Check { conf } => return check::check(conf),
        Command::Config(ConfigCommand::Parse { file, settings }) => configuration::parse(file, &settings),
        Command::Config(ConfigCommand::Test { file, cases, settings }) => configuration::test(&file, &cases, &settings),
        Command::Config(ConfigCommand::DbImport { file, settings }) => configuration::db_import(file, &settings),
        Command::Config(ConfigCommand::DbExport { file, settings }) => configuration::db_export(&file, &settings),
        Command::Config(ConfigCommand::Init { file }) => configuration::init(&file),
        Command::Plugin(PluginCommand::Test { folder, cases }) => plugin_test::test(&folder, cases),
        Command::Jq => jq::serve().map_err(Failure::from),
        Command::Health(settings) => health::health(&settings),
        Command::Version { all } => version::version(all),
        Command::Quit { settings, timeout, wait } => signal::quit(&settings, timeout, wait),
        Command::Stop(settings) => signal::stop(&settings),
        Command::Reload(settings) => signal::reload(&settings),
        Command::Upgrade(settings) => signal::upgrade(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            eprintln!("Error: {text}\n");
            if !arguments.verbose && !arguments.debug {
                eprintln!("  Run with --v (verbose) or --vv (debug) for more details");
            }
            ExitCode::FAILURE
        }
    }
}

/// Usage goes to standard error with exit status 1, also where it was asked for (Kong's habit).
pub fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::{ContextKind, ErrorKind};
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(name)) => {
            let usage = <Arguments as clap::CommandFactory>::command().render_help();
            eprintln!("No such command: {name}\n\n{usage}");
        }
        _ => eprint!("{error}"),
    }
    ExitCode::FAILURE
}
