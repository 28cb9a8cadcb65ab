//! Programs of configurations that make one body from another (`jq`): another room runs them, where they can take neither
//! time nor memory from anyone.

use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The largest body a program is run on, and the largest it may give, in bytes.
pub const LARGEST: usize = 8 << 20;

/// How long a run may take, waiting for its turn included.
pub const LONGEST_RUN: Duration = Duration::from_secs(2);

/// How what a program gives is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// In as few bytes as there can be; else indented.
    pub compact: bool,
    /// Strings as they are; else as JSON.
    pub raw: bool,
    /// No line end after each value.
    pub join: bool,
    /// Letters beyond ASCII escaped.
    pub ascii: bool,
    /// Members of objects in the order of their names.
    pub sort: bool,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program.
    pub program: Arc<str>,
    /// How to write what it gives.
    pub writing: Writing,
    /// A JSON document.
    pub body: Bytes,
}

/// Why there is no new body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The body is no JSON, or the program ended in an error, or gave what cannot be sent. The text may quote the body.
    #[error("{0}")]
    Failed(String),
    /// It was stopped.
    #[error("it took longer than {} s", LONGEST_RUN.as_secs())]
    TooLong,
    /// It broke its bounds.
    #[error("it used too much memory, or was nested too deeply")]
    TooMuch,
    /// Too many wait.
    #[error("too many programs wait for their turn")]
    Crowded,
    /// There is nobody to run it.
    #[error("programs cannot be run: {0}")]
    Away(String),
}

/// A body that is being made.
pub type Making = Pin<Box<dyn Future<Output = Result<Bytes, ProgramError>> + Send>>;

/// Whoever runs programs.
pub trait Programs: Send + Sync {
    /// Runs one.
    fn run(&self, job: Job) -> Making;
}

/// For nodes and tests without anyone who runs programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPrograms;

impl Programs for NoPrograms {
    fn run(&self, _: Job) -> Making {
        Box::pin(std::future::ready(Err(ProgramError::Away("not on this node".to_owned()))))
    }
}
