//! Admins whose passwords and groups a real directory knows.

use e2e::{Gateway, eventually, free_port, request};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ENTRIES: &str = "\
dn: dc=grove,dc=test
objectClass: top
objectClass: dcObject
objectClass: organization
o: grove
dc: grove

dn: ou=people,dc=grove,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=grove,dc=test
objectClass: organizationalUnit
ou: groups

dn: cn=hazel,ou=people,dc=grove,dc=test
objectClass: person
cn: hazel
sn: Brown
userPassword: nut-brown

dn: cn=oaks,ou=groups,dc=grove,dc=test
objectClass: groupOfNames
cn: oaks
member: cn=hazel,ou=people,dc=grove,dc=test
";

/// A directory of one person in one group.
struct Grove {
    port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Grove {
    /// None where there is no slapd.
    fn start() -> Option<Self> {
        let program = PathBuf::from("/usr/sbin/slapd");
        if !program.is_file() {
            eprintln!("skipped: there is no slapd");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = |name: &str| folder.path().join(name);
        std::fs::create_dir(place("data")).expect("a folder");
        std::fs::write(place("entries"), ENTRIES).expect("a file");
        let config = format!(
            "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\n\
             suffix \"dc=grove,dc=test\"\nrootdn \"cn=reader,dc=grove,dc=test\"\nrootpw secret\ndirectory {}\n",
            place("data").display()
        );
        std::fs::write(place("slapd.conf"), config).expect("a file");
        let command = |arguments: &[&Path]| {
            let mut command = Command::new(&program);
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let (config, entries) = (place("slapd.conf"), place("entries"));
        let words = |text: &'static str| Path::new(text);
        let filled = command(&[words("-T"), words("add"), words("-f"), &config, words("-l"), &entries]).status();
        assert!(filled.is_ok_and(|status| status.success()));
        let port = free_port();
        let url = PathBuf::from(format!("ldap://127.0.0.1:{port}"));
        let child =
            command(&[words("-f"), &config, words("-h"), &url, words("-d"), words("0")]).spawn().expect("slapd starts");
        eventually("the directory listens", || TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
        Some(Self { port, child, _folder: folder })
    }
}

impl Drop for Grove {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_directory_knows_admins_and_their_groups() {
    let Some(grove) = Grove::start() else { return };
    let options = json!({
        "ldap_host": "127.0.0.1", "ldap_port": grove.port, "base_dn": "ou=people,dc=grove,dc=test", "attribute": "cn",
        "bind_dn": "cn=reader,dc=grove,dc=test", "ldap_password": "secret",
        "group_base_dn": "ou=groups,dc=grove,dc=test", "group_member_attribute": "member",
    });
    let gateway = Gateway::start(&[
        ("KONG_DATABASE", "sqlite"),
        ("KONG_ENFORCE_RBAC", "on"),
        ("KONG_PASSWORD", "a-secret"),
        ("KONG_ADMIN_GUI_AUTH", "ldap-auth-advanced"),
        ("KONG_ADMIN_GUI_AUTH_CONF", &options.to_string()),
        ("KONG_ADMIN_GUI_SESSION_CONF", r#"{"secret":"x"}"#),
    ]);
    let made = |path: &str, body: Value| {
        let lines = [("Content-Type", "application/json"), ("Kong-Admin-Token", "a-secret")];
        let answer = request(gateway.admin, "POST", path, &lines, body.to_string().as_bytes()).expect("an answer");
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        answer.json()
    };
    let role = made("/rbac/roles", json!({ "name": "gardener" }));
    made("/rbac/roles/gardener/endpoints", json!({ "endpoint": "/services", "actions": "read" }));
    made("/groups", json!({ "name": "oaks" }));
    let default = e2e::get(gateway.admin, "/workspaces/default", &[("Kong-Admin-Token", "a-secret")]).json();
    made("/groups/oaks/roles", json!({ "rbac_role_id": role["id"], "workspace_id": default["id"] }));
    made("/admins", json!({ "username": "hazel", "email": "hazel@grove.test" }));
    let ask = |path: &str, credentials: &str| {
        let lines = [("Kong-Admin-User", "hazel"), ("Authorization", credentials)];
        e2e::get(gateway.admin, path, &lines).status
    };
    // hazel:nut-brown and hazel:nut
    let (right, wrong) = ("Basic aGF6ZWw6bnV0LWJyb3du", "Basic aGF6ZWw6bnV0");
    assert_eq!(ask("/auth", wrong), 401);
    assert_eq!(ask("/auth", right), 200);
    assert_eq!((ask("/services", right), ask("/routes", right), ask("/services", wrong)), (200, 403, 401));
}
