//! What a plugin server says of its plugins when it is asked by its query command.

use serde::Deserialize;
use serde_json::Value as Json;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a query command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most that it may print, in bytes.
const LARGEST: u64 = 16 << 20;
/// Time between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A server as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name in `pluginserver_names`.
    pub name: String,
    /// `pluginserver_<name>_socket`
    pub socket: PathBuf,
    /// `pluginserver_<name>_start_cmd`; none where somebody else starts it.
    pub start: Option<String>,
    /// `pluginserver_<name>_query_cmd`
    pub query: Option<String>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `MsgPack:1`
    MessagePack,
    /// `ProtoBuf:1`
    ProtoBuf,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// What it speaks.
    pub protocol: Protocol,
    /// What it has.
    pub plugins: Vec<Described>,
}

/// A plugin as its server describes it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Described {
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its version; a text, a number or nothing.
    #[serde(rename = "Version", default)]
    version: Json,
    /// Its priority; a number, a text or nothing.
    #[serde(rename = "Priority", default)]
    priority: Json,
    /// The phases it has.
    #[serde(rename = "Phases", default)]
    pub phases: Vec<String>,
    /// Its schema, as a `schema.lua` has it.
    #[serde(rename = "Schema")]
    pub schema: Json,
}

impl Described {
    /// Larger runs first.
    pub fn priority(&self) -> i32 {
        let number = self.priority.as_f64().or_else(|| self.priority.as_str()?.trim().parse().ok());
        #[expect(clippy::cast_possible_truncation, reason = "within an i32")]
        number.filter(|number| number.abs() < 2e9).map_or(0, |number| number as i32)
    }

    /// The version as text.
    pub fn version(&self) -> String {
        match &self.version {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dump {
    Plain(Vec<Described>),
    Told {
        #[serde(rename = "Protocol", default)]
        protocol: Option<String>,
        #[serde(rename = "Plugins")]
        plugins: Vec<Described>,
    },
}

/// Reads what a query command prints: a list of plugins, or an object with it and the protocol.
///
/// # Errors
/// A sentence.
pub fn read(printed: &[u8]) -> Result<Description, String> {
    let dump = serde_json::from_slice(printed)
        .map_err(|error| format!("what it prints is no JSON that describes plugins: {error}"))?;
    let (protocol, plugins) = match dump {
        Dump::Told { protocol, plugins } => (protocol, plugins),
        Dump::Plain(plugins) => (None, plugins),
    };
    let protocol = match protocol.as_deref() {
        None | Some("MsgPack:1") => Protocol::MessagePack,
        Some("ProtoBuf:1") => Protocol::ProtoBuf,
        Some(other) => return Err(format!("its protocol is {other}; this gateway speaks MsgPack:1 and ProtoBuf:1")),
    };
    Ok(Description { protocol, plugins })
}

/// Runs a query command and reads what it prints.
///
/// # Errors
/// A sentence.
pub fn query(command: &str) -> Result<Description, String> {
    let failed = |error: io::Error| format!("it cannot be run: {error}");
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (printed, said) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if begun.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            None => {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it has not ended after {} s", PATIENCE.as_secs()));
            }
        }
    };
    let (printed, said) = (printed.join().unwrap_or_default(), said.join().unwrap_or_default());
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("it failed ({status}): {last}"));
    }
    read(&printed)
}

fn collect(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(from) = from {
            // What was read before an error is what there is.
            let _ = from.take(LARGEST).read_to_end(&mut all);
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_described_in_two_ways() {
        let one = r#"{"Name":"a","Phases":["access"],"Priority":"7","Version":1.5,"Schema":{"fields":[]}}"#;
        let told = |protocol: &str| format!(r#"{{"Protocol":"{protocol}","SocketPath":"/s","Plugins":[{one}]}}"#);
        for (printed, protocol) in [
            (format!("[{one}]"), Protocol::MessagePack),
            (told("MsgPack:1"), Protocol::MessagePack),
            (told("ProtoBuf:1"), Protocol::ProtoBuf),
        ] {
            let found = read(printed.as_bytes()).expect("described");
            assert_eq!(found.protocol, protocol);
            assert_eq!((found.plugins[0].priority(), found.plugins[0].version().as_str()), (7, "1.5"));
        }
        let nothing = read(br#"[{"Name":"a","Version":null,"Priority":1e99,"Schema":{}}]"#).expect("described").plugins;
        assert_eq!((nothing[0].priority(), nothing[0].version().as_str()), (0, ""));
    }

    #[test]
    fn what_describes_nothing_is_refused() {
        for (printed, sentence) in [
            (r#"{"Protocol":"ProtoBuf:2","Plugins":[]}"#, "its protocol is ProtoBuf:2; this gateway speaks MsgPack:1"),
            ("usage: server", "no JSON that describes plugins"),
            (r#"[{"Name":"a"}]"#, "no JSON that describes plugins"),
        ] {
            let found = read(printed.as_bytes()).expect_err("refused");
            assert!(found.contains(sentence), "{found}");
        }
        assert!(query("sh -c 'echo oops >&2; exit 3'").expect_err("failed").ends_with("(exit status: 3): oops"));
        assert!(query("echo '[]'").expect("described").plugins.is_empty());
    }
}
