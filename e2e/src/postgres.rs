//! A PostgreSQL server of a test's own.

use crate::{eventually, free_port};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A server with a directory and a port of its own; it ends with this value.
pub struct Postgres {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    bin: PathBuf,
    folder: TempDir,
    user: Option<(u32, u32)>,
    child: Option<Child>,
}

impl Postgres {
    /// Makes and starts a server with an empty database `kong`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("the folder belongs to the server's user");
        }
        let mut server = Self { port: free_port(), bin: binaries(), folder, user, child: None };
        let made = server
            .command("initdb")
            .args(["--auth=trust", "--username=kong", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(server.folder.path().join("main"))
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        let done = server.client("createdb").arg("kong").status().expect("createdb runs");
        assert!(done.success(), "createdb: {done}");
        server
    }

    /// Makes and starts a server that follows this one and takes no writes.
    pub fn replica(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some((uid, gid)) = self.user {
            chown(folder.path(), Some(uid), Some(gid)).expect("the folder belongs to the server's user");
        }
        let copied = self
            .client("pg_basebackup")
            .args(["-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-D"])
            .arg(folder.path().join("main"))
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        let mut server = Self { port: free_port(), bin: self.bin.clone(), folder, user: self.user, child: None };
        server.run();
        server
    }

    /// Runs a statement and returns what it prints.
    pub fn ask(&self, statement: &str) -> String {
        let output = self.client("psql").args(["-X", "-q", "-A", "-t", "-d", "kong", "-c", statement]).output();
        let output = output.expect("psql runs");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts it again after [`Postgres::stop`].
    pub fn run(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.path().join("main")).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=100"] {
            command.args(["-c", setting]);
        }
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server starts"));
        eventually("PostgreSQL answers", || self.client("pg_isready").arg("-q").status().is_ok_and(|it| it.success()));
    }

    /// Stops it at once: every connection is cut.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
        let _ = child.wait();
    }

    /// Settings by which a gateway uses it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KONG_DATABASE", "postgres".into()),
            ("KONG_PG_HOST", "127.0.0.1".into()),
            ("KONG_PG_PORT", self.port.to_string()),
            ("KONG_PG_USER", "kong".into()),
            ("KONG_PG_TIMEOUT", "1000".into()),
        ]
    }

    fn client(&self, name: &str) -> Command {
        let mut command = self.command(name);
        command.args(["-h", "127.0.0.1", "-U", "kong", "-p", &self.port.to_string()]);
        command
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.retain(|path| path.join("initdb").exists());
    found.sort();
    found.pop().expect("PostgreSQL's server programs are needed: install the package `postgresql`")
}

/// Who runs the server: PostgreSQL refuses to be run by root. `None`: whoever runs the tests.
fn unprivileged() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").expect("Linux").uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("readable");
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == "postgres");
    let fields = fields.expect("a user named postgres, to run PostgreSQL");
    Some((fields[2].parse().expect("a user id"), fields[3].parse().expect("a group id")))
}
