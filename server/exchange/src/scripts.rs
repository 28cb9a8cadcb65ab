//! Scripts of configurations, for plugins that take some: another room runs them.

use crate::Exchange;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// What a chunk gives back, while it runs elsewhere; the error is a sentence.
pub type Returning = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// Whoever runs scripts.
pub trait Scripts: Send + Sync {
    /// Whether a chunk can be run; the sentence says why not.
    fn check(&self, chunk: &str) -> Result<(), String>;

    /// Chunks of a plugin's configuration (`id`), each with the dotted name of the value that it makes for the log entry.
    fn log_values(
        &self,
        plugin: &'static str,
        id: Uuid,
        chunks: Vec<(String, String)>,
    ) -> Result<Arc<dyn LogScripts>, String>;

    /// Runs a chunk for no request, beside the workers: the function that it returns, called with these arguments, or
    /// the chunk itself where it returns none.
    fn run(&self, chunk: &str, arguments: Vec<Value>) -> Returning;
}

/// Chunks of one configuration.
pub trait LogScripts: Send + Sync {
    /// Runs them and puts what they give into [`Exchange::log_values`]. Where one fails, those before it have been put.
    fn run(&self, exchange: &Exchange) -> Result<(), String>;
}

/// For nodes and tests without anyone who runs scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoScripts;

impl Scripts for NoScripts {
    fn check(&self, _: &str) -> Result<(), String> {
        Err("Error parsing function: Lua is not available on this node".to_owned())
    }

    fn log_values(&self, _: &'static str, _: Uuid, _: Vec<(String, String)>) -> Result<Arc<dyn LogScripts>, String> {
        Err("Lua is not available on this node".to_owned())
    }

    fn run(&self, _: &str, _: Vec<Value>) -> Returning {
        Box::pin(std::future::ready(Err("Lua is not available on this node".to_owned())))
    }
}
