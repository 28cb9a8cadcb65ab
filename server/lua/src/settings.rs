//! What the node tells Lua of itself.

use crate::folder::AdminPath;
use exchange::TraceContext;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, OnceLock};

/// `untrusted_lua`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Trust {
    /// Lua of configurations is refused.
    Off,
    /// It runs without files, processes, loading of code, and with bounds on memory and instructions.
    #[default]
    Sandbox,
    /// It runs with all of Lua's libraries.
    On,
}

/// Takes a message, what is known of it, and the trace that it belongs to.
pub type Report = fn(&str, &Map<String, Value>, Option<&TraceContext>);

/// A reader and a writer of YAML.
#[derive(Clone, Copy, Debug)]
pub struct Yaml {
    /// The first document of a text, or a sentence.
    pub read: fn(&str) -> Result<Value, String>,
    /// A document as text.
    pub write: fn(&Map<String, Value>) -> String,
}

/// How many names of a message tables show where Lua names no number.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// `lua_max_req_headers`
    pub request_headers: usize,
    /// `lua_max_resp_headers`
    pub response_headers: usize,
    /// `lua_max_uri_args`
    pub query_arguments: usize,
    /// `lua_max_post_args`
    pub form_arguments: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self { request_headers: 100, response_headers: 100, query_arguments: 100, form_arguments: 100 }
    }
}

/// What outlives every configuration.
#[derive(Clone)]
pub struct Settings {
    /// `untrusted_lua`
    pub trust: Trust,
    /// `untrusted_lua_sandbox_requires`: modules that `require` gives in the sandbox.
    pub requires: Vec<String>,
    /// `untrusted_lua_sandbox_environment`: globals that the sandbox has on top.
    pub environment: Vec<String>,
    /// `kong.configuration`: an object.
    pub configuration: Value,
    /// Whether an address is in `trusted_ips`.
    pub trusted: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Bounds of tables.
    pub shown: Shown,
    /// Number of proxy workers.
    pub workers: usize,
    /// `lua_package_path`
    pub package_path: String,
    /// Who is told by `kong.telemetry.log`.
    pub report: Option<Report>,
    /// What reads and writes YAML, for `lyaml`.
    pub yaml: Option<Yaml>,
    /// Plugins in folders; their `init_worker` runs in this order.
    pub folders: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            requires: Vec::new(),
            environment: Vec::new(),
            configuration: Value::Object(serde_json::Map::new()),
            trusted: Arc::new(|_| false),
            shown: Shown::default(),
            workers: 1,
            package_path: "./?.lua;./?/init.lua;".to_owned(),
            report: None,
            yaml: None,
            folders: Vec::new(),
        }
    }
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();
static DEFAULT: LazyLock<Settings> = LazyLock::new(Settings::default);

static CONFIGURATION: OnceLock<Value> = OnceLock::new();

/// `kong.configuration` of a running node, an object; without it, it is that of the settings. Sets it once for the
/// process; later calls change nothing.
pub fn set_configuration(configuration: Value) {
    let _ = CONFIGURATION.set(configuration);
}

/// `kong.configuration`
pub fn configuration() -> &'static Value {
    CONFIGURATION.get().unwrap_or_else(|| &get().configuration)
}

static ADMIN_PATHS: OnceLock<Vec<AdminPath>> = OnceLock::new();

/// Sets them once for the process; later calls change nothing.
pub fn set_admin_paths(paths: Vec<AdminPath>) {
    let _ = ADMIN_PATHS.set(paths);
}

/// The paths of the Admin API that plugins in folders answer.
pub fn admin_paths() -> &'static [AdminPath] {
    ADMIN_PATHS.get().map_or(&[], Vec::as_slice)
}

/// Sets them once for the process; later calls change nothing.
pub fn set(settings: Settings) {
    let _ = SETTINGS.set(settings);
}

/// Those of the process.
pub fn get() -> &'static Settings {
    SETTINGS.get().unwrap_or_else(|| &DEFAULT)
}
