//! Servers of plugins in other languages.

use crate::checker::{Checker, under};
use std::path::{Path, PathBuf};

/// Where commands of servers are looked for that no property names.
const COMMANDS: &str = "/usr/local/bin";

/// A server of `pluginserver_names`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginServer {
    /// Its name.
    pub name: String,
    /// `pluginserver_<name>_socket`: the Unix socket at which it listens; `<prefix>/<name>.socket`.
    pub socket: PathBuf,
    /// `pluginserver_<name>_start_cmd`: the shell command that starts it; `/usr/local/bin/<name>` where there is one,
    /// else somebody else starts it.
    pub start: Option<String>,
    /// `pluginserver_<name>_query_cmd`: the shell command that describes its plugins; `/usr/local/bin/query_<name>`
    /// where there is one.
    pub query: Option<String>,
}

impl PluginServer {
    pub(super) fn read(c: &mut Checker<'_>, prefix: &Path) -> Vec<Self> {
        let names = c.owned_list("pluginserver_names");
        names.into_iter().map(|name| Self::named(c, prefix, name)).collect()
    }

    fn named(c: &mut Checker<'_>, prefix: &Path, name: String) -> Self {
        let known = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if name.is_empty() || !known(&name) {
            c.wrong(
                "pluginserver_names",
                format!("'{name}' cannot be the name of a plugin server"),
                "a-z, 0-9, _ and -",
            );
        }
        let property = |what: &str| format!("pluginserver_{}_{what}", name.to_lowercase().replace('-', "_"));
        let installed = |file: String| Path::new(COMMANDS).join(file).to_str().map(str::to_owned);
        let there = |file: String| installed(file).filter(|path| Path::new(path).is_file());
        let start = c.optional(&property("start_cmd")).or_else(|| there(name.clone()));
        let query = c.optional(&property("query_cmd")).or_else(|| there(format!("query_{name}")));
        let socket = c.optional(&property("socket")).unwrap_or_else(|| format!("{name}.socket"));
        Self { socket: under(prefix, socket), start, query, name }
    }
}
