//! Admins whose passwords and groups a real directory knows.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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

dn: cn=fern,ou=people,dc=grove,dc=test
objectClass: person
cn: fern
sn: Green
userPassword: frond

dn: cn=olive,ou=people,dc=grove,dc=test
objectClass: person
cn: olive
sn: Green
userPassword: oil

dn: cn=oaks,ou=groups,dc=grove,dc=test
objectClass: groupOfNames
cn: oaks
member: cn=hazel,ou=people,dc=grove,dc=test
";

/// A directory of a few people and groups.
struct Grove {
    port: u16,
    child: Child,
    folder: tempfile::TempDir,
}

const SLAPD: &str = "/usr/sbin/slapd";

fn slapd(arguments: &[&Path]) -> Command {
    let mut command = Command::new(SLAPD);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Grove {
    /// None where there is no slapd.
    fn start() -> Option<Self> {
        if !Path::new(SLAPD).is_file() {
            eprintln!("skipped: there is no slapd");
            return None;
        }
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary folder"));
        let child = Self::grown(folder.path(), port, ENTRIES);
        Some(Self { port, child, folder })
    }

    /// A directory with these entries alone.
    fn grown(folder: &Path, port: u16, entries: &str) -> Child {
        let place = |name: &str| folder.join(name);
        let _ = std::fs::remove_dir_all(place("data"));
        std::fs::create_dir(place("data")).expect("a folder");
        std::fs::write(place("entries"), entries).expect("a file");
        let config = format!(
            "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\n\
             suffix \"dc=grove,dc=test\"\nrootdn \"cn=reader,dc=grove,dc=test\"\nrootpw secret\ndirectory {}\n",
            place("data").display()
        );
        std::fs::write(place("slapd.conf"), config).expect("a file");
        let (config, entries) = (place("slapd.conf"), place("entries"));
        let word = |text: &'static str| Path::new(text);
        let filled = slapd(&[word("-T"), word("add"), word("-f"), &config, word("-l"), &entries]).status();
        assert!(filled.is_ok_and(|status| status.success()));
        let url = PathBuf::from(format!("ldap://127.0.0.1:{port}"));
        let child =
            slapd(&[word("-f"), &config, word("-h"), &url, word("-d"), word("0")]).spawn().expect("slapd starts");
        eventually("the directory listens", || TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
        child
    }

    /// The same directory with other entries.
    fn regrow(&mut self, entries: &str) {
        self.stop();
        self.child = Self::grown(self.folder.path(), self.port, entries);
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Grove {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_directory_knows_admins_and_their_groups() {
    let Some(mut grove) = Grove::start() else { return };
    let options = json!({
        "ldap_host": "127.0.0.1", "ldap_port": grove.port, "base_dn": "ou=people,dc=grove,dc=test", "attribute": "cn",
        "bind_dn": "cn=reader,dc=grove,dc=test", "ldap_password": "secret",
        "group_base_dn": "ou=groups,dc=grove,dc=test", "group_member_attribute": "member",
    });
    let gateway = Gateway::start(&[
        ("KONG_DATABASE", "sqlite"),
        ("KONG_ENFORCE_RBAC", "on"),
        ("KONG_AUDIT_LOG", "on"),
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
    made("/admins", json!({ "username": "fern", "email": "fern@grove.test" }));
    let ask = |path: &str, name: &str, password: &str| {
        let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
        let lines = [("Kong-Admin-User", name), ("Authorization", credentials.as_str())];
        e2e::get(gateway.admin, path, &lines).status
    };
    for (name, password) in [
        ("hazel", "nut"),
        // A directory takes a name without a password for nobody in particular, and says yes.
        ("hazel", ""),
        ("*", "nut-brown"),
        ("haz*", "nut-brown"),
        ("hazel)(cn=*", "nut-brown"),
        ("hazel,ou=people,dc=grove,dc=test", "nut-brown"),
        // The directory knows her, and nobody has invited her.
        ("olive", "oil"),
        ("kong_admin", "a-secret"),
    ] {
        assert_eq!(ask("/auth", name, password), 401, "{name} {password}");
    }
    assert_eq!(ask("/auth", "hazel", "nut-brown"), 200);
    assert_eq!((ask("/services", "hazel", "nut-brown"), ask("/routes", "hazel", "nut-brown")), (200, 403));
    assert_eq!(ask("/services", "hazel", "nut"), 401);
    assert_eq!(ask("/services", "fern", "frond"), 403, "she is in no group that has a role");
    // What a sign-in changes has a name on it.
    let list = "/audit/objects?dao_name=rbac_user_groups&rbac_user_name=hazel";
    eventually("the log tells of the group", || {
        let found = e2e::get(gateway.admin, list, &[("Kong-Admin-Token", "a-secret")]).json();
        found["data"][0]["operation"] == "create"
    });
    // Who leaves a group leaves its roles, and who comes gets them, at the next sign-in.
    grove.regrow(&ENTRIES.replace("member: cn=hazel", "member: cn=fern"));
    eventually("the directory is asked again", || ask("/auth", "hazel", "nut-brown") == 200);
    assert_eq!((ask("/services", "hazel", "nut-brown"), ask("/services", "fern", "frond")), (403, 200));
    // Without the directory nobody comes in by its word; tokens do.
    grove.stop();
    assert_eq!(ask("/services", "fern", "frond"), 401);
    assert_eq!(e2e::get(gateway.admin, "/services", &[("Kong-Admin-Token", "a-secret")]).status, 200);
}
