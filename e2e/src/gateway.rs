//! The real binary, on ports and a prefix of its own.

use crate::eventually;
use crate::http::{Reply, get, request};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tempfile::TempDir;

/// `lua_package_path` by which the Lua plugins of tests are found.
pub const LUA_PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/lua/tests/plugins/?.lua;;");

/// The binary that `make build` made; `SILVERBACK_BINARY` names another.
pub fn binary() -> PathBuf {
    match std::env::var_os("SILVERBACK_BINARY") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ci/silverback"),
    }
}

/// Ports that [`free_port`] gives out: below those that the kernel gives to connections, one of which could take a port
/// before whom it is meant for listens there.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A loopback port on which nothing listens now; never the same one twice, and others than those of other processes.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Processes that follow each other begin far from each other.
    let begin = std::process::id().wrapping_mul(7919);
    let next = || begin.wrapping_add(GIVEN.fetch_add(1, Relaxed)) % count;
    let port = |number: u32| PORTS.start + u16::try_from(number).expect("one of the range");
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| port(next())).take(count as usize).find(free).expect("a loopback port")
}

/// A gateway in DB-less mode.
pub struct Gateway {
    /// Cleartext proxy listener.
    pub proxy: SocketAddr,
    /// Admin API listener.
    pub admin: SocketAddr,
    /// Status API listener.
    pub status: SocketAddr,
    /// Its prefix.
    pub prefix: PathBuf,
    child: Child,
    _folder: Option<TempDir>,
}

impl Gateway {
    /// Starts a gateway with further settings and waits until it answers. What `KONG_PROXY_LISTEN` and the like name
    /// comes besides the cleartext listeners.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let prefix = folder.path().to_owned();
        let mut gateway = Self::start_in(&prefix, settings);
        gateway._folder = Some(folder);
        gateway
    }

    /// The same in a prefix that the caller keeps.
    pub fn start_in(prefix: &Path, settings: &[(&str, &str)]) -> Self {
        Self::run(prefix, Self::command(prefix, settings))
    }

    /// Runs a command that becomes a gateway, on listeners that this sets, and waits until it answers.
    pub fn run(prefix: &Path, mut command: Command) -> Self {
        let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (proxy, admin, status) = (local(free_port()), local(free_port()), local(free_port()));
        let given = |command: &Command, name: &str| {
            let (_, value) = command.get_envs().find(|(given, _)| *given == name)?;
            value?.to_str().map(str::to_owned)
        };
        let only_serves = given(&command, "KONG_ADMIN_LISTEN").is_some_and(|listen| listen == "off");
        for (name, own) in [
            ("KONG_PROXY_LISTEN", Some(format!("{proxy} http2"))),
            ("KONG_ADMIN_LISTEN", (!only_serves).then(|| admin.to_string())),
            ("KONG_STATUS_LISTEN", Some(status.to_string())),
        ] {
            let more = given(&command, name).filter(|listen| listen != "off");
            let all: Vec<String> = own.into_iter().chain(more).collect();
            if !all.is_empty() {
                command.env(name, all.join(", "));
            }
        }
        let child = command.spawn().expect("the binary starts: run `make build` first");
        let mut gateway = Self { proxy, admin, status, prefix: prefix.to_owned(), child, _folder: None };
        eventually("the gateway answers", || {
            if let Ok(Some(ended)) = gateway.child.try_wait() {
                panic!("the gateway ended with {ended}");
            }
            let api = if only_serves { status } else { admin };
            get(api, "/status", &[]).status == 200 && get(proxy, "/", &[]).status != 0
        });
        gateway
    }

    /// A command that runs the binary's `start` in a clean environment.
    pub fn command(prefix: &Path, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary());
        command.arg("start").env_clear().env("PATH", "/usr/bin:/bin").env("KONG_DATABASE", "off");
        command.env("KONG_PREFIX", prefix).env("KONG_ADMIN_GUI_LISTEN", "off").env("KONG_NGINX_WORKER_PROCESSES", "2");
        command.env("KONG_LOG_LEVEL", "warn").env("KONG_PROXY_ACCESS_LOG", "off").env("KONG_ADMIN_ACCESS_LOG", "off");
        command.stdin(Stdio::null()).envs(settings.iter().copied());
        command
    }

    /// POSTs a declarative configuration.
    pub fn configure(&self, configuration: &serde_json::Value) -> Reply {
        let lines = [("Content-Type", "application/json")];
        request(self.admin, "POST", "/config", &lines, configuration.to_string().as_bytes())
            .expect("the Admin API answers")
    }

    /// Processor time that it has used so far, in seconds: its own and the kernel's on its behalf.
    pub fn processor_time(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // Past the name, which may hold spaces: state is field 3, utime and stime are 14 and 15, in hundredths.
        let after = text.rsplit(')').next().unwrap_or_default();
        let ticks: u32 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        f64::from(ticks) / 100.0
    }

    /// Memory that it holds, in MiB.
    pub fn memory(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap_or_default();
        let pages: u32 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
        f64::from(pages) / 256.0
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(done.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("the gateway ends", || {
            ended = self.child.try_wait().expect("a child can be waited for");
            ended.is_some()
        });
        ended.unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
