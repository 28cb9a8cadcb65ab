//! A PostgreSQL server of our own, gone when the test process is.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use store_sql::{Database, Postgres};

/// Runs the server as a child and stops it when its input ends, which it does when this process ends, however it ends.
const KEEPER: &str = r#"
"$1/postgres" -D "$2" >"$2/log" 2>&1 &
server=$!
read -r _
kill -INT $server
wait $server
[ "$3" = keep ] || rm -rf "$2"
"#;

/// A running server with its own directory and port.
pub struct Cluster {
    bin: PathBuf,
    data: PathBuf,
    pub port: u16,
    user: Option<(u32, u32)>,
    keeper: Option<Child>,
}

impl Cluster {
    /// Makes and starts a server; `settings` are lines of its configuration.
    pub fn start(settings: &str) -> Cluster {
        let bin = binaries();
        let user = unprivileged();
        let data = std::env::temp_dir().join(format!("silverback-pg-{}-{}", std::process::id(), unique()));
        std::fs::create_dir(&data).expect("a directory for the server");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).expect("permissions");
        if let Some((uid, gid)) = user {
            chown(&data, Some(uid), Some(gid)).expect("the directory belongs to the server's user");
        }
        let mut cluster = Cluster { bin, data, port: free_port(), user, keeper: None };
        let initdb = cluster
            .command("initdb")
            .args(["--auth=trust", "--username=kong", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&cluster.data)
            .output()
            .expect("initdb runs");
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        let port = cluster.port;
        cluster.configure(&format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n\
             max_connections = 60\nlog_min_messages = warning\n{settings}\n"
        ));
        cluster.run();
        cluster
    }

    /// Writes a file that the server may read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.data.join(name);
        std::fs::write(&path, text).expect("a file for the server");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
        if let Some((uid, gid)) = self.user {
            chown(&path, Some(uid), Some(gid)).expect("the file belongs to the server's user");
        }
    }

    /// Adds lines to the configuration, for the next start.
    pub fn configure(&self, lines: &str) {
        let path = self.data.join("postgresql.conf");
        let text = std::fs::read_to_string(&path).expect("initdb made it");
        self.write("postgresql.conf", &format!("{text}\n{lines}"));
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts the server and waits until it answers.
    pub fn run(&mut self) {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&self.bin).arg(&self.data).arg("keep");
        keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null());
        if let Some((uid, gid)) = self.user {
            keeper.uid(uid).gid(gid);
        }
        self.keeper = Some(keeper.spawn().expect("a shell starts the server"));
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready =
                self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status();
            if ready.expect("pg_isready runs").success() {
                return;
            }
            let log = || std::fs::read_to_string(self.data.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server, closing every connection; [`Cluster::run`] starts it again.
    pub fn stop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("the server ends");
        }
    }

    /// Runs statements; tells whether all went well.
    pub fn try_psql(&self, database: &str, text: &str) -> bool {
        self.run_psql(database, text).status.success()
    }

    fn run_psql(&self, database: &str, text: &str) -> Output {
        self.command("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "kong", "-d", database])
            .args(["-p", &self.port.to_string(), "-c", text])
            .output()
            .expect("psql runs")
    }

    /// Runs statements and returns what they print.
    pub fn psql(&self, database: &str, text: &str) -> String {
        let output = self.run_psql(database, text);
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A new, empty database.
    pub fn database(&self) -> Postgres {
        let database = format!("test_{}", unique());
        self.psql("postgres", &format!("CREATE DATABASE {database}"));
        Postgres { port: self.port, database, pool_size: 4, ..Postgres::default() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A new database on the server that all tests share.
pub fn database() -> Postgres {
    shared().database()
}

/// As [`database`], to be opened.
pub fn empty() -> Database {
    Database::Postgres(database())
}

/// The server that all tests share.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = Cluster::start("");
        // A static is not dropped: a shell takes the files away after the server is gone with this process.
        let mut sweeper = Command::new("sh");
        sweeper
            .args(["-c", "read -r _; while [ -e \"$1/postmaster.pid\" ]; do sleep 0.2; done; rm -rf \"$1\"", "sweeper"])
            .arg(&cluster.data)
            .stdin(Stdio::piped());
        std::mem::forget(sweeper.spawn().expect("a shell waits for the end"));
        cluster
    })
}

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// One below those that outgoing connections are given: it stays free while the server is being made, and while it is away.
fn free_port() -> u16 {
    let begin = std::process::id().wrapping_mul(7919);
    let port = |_| 12_000 + u16::try_from(begin.wrapping_add(unique()) % 20_000).expect("a small number");
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..20_000).map(port).find(free).expect("a free port")
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    // 15 is what is promised; whatever is newest does otherwise.
    found.sort_by_key(|path| (path.starts_with("/usr/lib/postgresql/15"), path.clone()));
    found.retain(|path| path.join("initdb").exists());
    found.pop().expect(
        "PostgreSQL's server programs are needed: install the package `postgresql-15` (`apt install postgresql-15`)",
    )
}

/// Who runs the server: PostgreSQL refuses to be run by root. `None`: whoever runs the tests.
fn unprivileged() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").expect("Linux").uid() != 0 {
        return None;
    }
    let users = BufReader::new(std::fs::File::open("/etc/passwd").expect("readable"));
    let fields = users.lines().map_while(Result::ok).map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    let fields: Vec<Vec<String>> = fields.filter(|fields| fields.len() > 3).collect();
    let of = |name: &str| fields.iter().find(|fields| fields[0] == name);
    let user = of("postgres").or_else(|| of("nobody")).expect("a user named postgres or nobody, to run PostgreSQL");
    Some((user[2].parse().expect("a user id"), user[3].parse().expect("a group id")))
}
