//! A certificate authority for tests: pebble, the ACME server of Let's Encrypt.

use crate::{eventually, free_port};
use serde_json::json;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running authority. Its own certificate is vouched for by the file `authority`.
pub struct Pebble {
    /// URL of its directory.
    pub directory: String,
    child: Child,
    folder: TempDir,
}

/// `pebble` on the `PATH`; `SILVERBACK_PEBBLE` names another.
fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SILVERBACK_PEBBLE") {
        return Some(path.into());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join("pebble")).find(|path| path.is_file())
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().is_ok_and(|status| status.success()), "openssl {arguments}");
}

/// Keys and certificates of an authority's own server, in a folder: `ca.pem` vouches for `server.pem`.
pub fn vouched(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(folder, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Vouching"));
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    let leaf = format!("-keyout server.key -out server.csr -subj /CN=localhost -addext {names}");
    openssl(folder, &format!("req {} {leaf}", key.replace(" -days 2", "")));
    openssl(folder, "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -copy_extensions copy -out server.pem");
}

impl Pebble {
    /// Starts one that asks challenges on a loopback port, in a folder where [`vouched`] was; `external` is the account
    /// that accounts must be bound to, its identifier and its key. `None` where there is no pebble.
    pub fn start(folder: TempDir, challenges: u16, external: Option<(&str, &str)>) -> Option<Self> {
        let program = program()?;
        let (port, management) = (free_port(), free_port());
        let place = |name: &str| folder.path().join(name);
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": place("server.pem"),
            "privateKey": place("server.key"),
            "httpPort": challenges,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": external.is_some(),
            "externalAccountMACKeys": external.into_iter().collect::<HashMap<_, _>>(),
            "retryAfter": { "authz": 1, "order": 1 },
            "profiles": { "default": { "description": "one", "validityPeriod": 777_600 } },
        } });
        std::fs::write(place("pebble.json"), config.to_string()).expect("a file");
        let log = std::fs::File::create(place("pebble.log")).expect("a file");
        let mut command = Command::new(program);
        command.arg("-config").arg(place("pebble.json")).env("PEBBLE_VA_NOSLEEP", "1");
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child = command.spawn().expect("pebble starts");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("pebble listens", || TcpStream::connect(address).is_ok());
        Some(Self { directory: format!("https://localhost:{port}/dir"), child, folder })
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Subject, issuer and dates of the certificate that a TLS server shows for a name; empty where it shakes no hands.
pub fn shown(address: SocketAddr, name: &str) -> String {
    let script = format!(
        "openssl s_client -connect {address} -servername {name} </dev/null 2>/dev/null | openssl x509 -noout -issuer \
         -ext subjectAltName 2>/dev/null"
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
