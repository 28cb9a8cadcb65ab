//! Signing in with what a directory (LDAP) knows: `admin_gui_auth = ldap-auth-advanced`.

use super::gate::Gate;
use super::made;
use super::sign_in::refused;
use crate::respond::Answer;
use exchange::ldap::{Binding, Ldap, LdapEntry, LdapError, LdapSearch, LdapSecurity, LdapServer, escaped, filtered};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::{Id, Operation, Record};

/// `admin_gui_auth_conf`: what of the plugin's options matters to signing in.
#[derive(Clone, Debug, Deserialize)]
struct Options {
    ldap_host: String,
    #[serde(default = "port")]
    ldap_port: u16,
    #[serde(default)]
    ldaps: bool,
    #[serde(default)]
    start_tls: bool,
    #[serde(default)]
    verify_ldap_host: bool,
    /// The entry under which people are.
    base_dn: String,
    /// The attribute that names people.
    attribute: String,
    /// The entry that looks for people; without it their names are made of `attribute` and `base_dn`.
    bind_dn: Option<String>,
    ldap_password: Option<String>,
    /// The entry under which groups are; without it groups are left as they are.
    group_base_dn: Option<String>,
    /// The attribute that names groups; `attribute` where absent.
    group_name_attribute: Option<String>,
    /// The attribute of people that names their groups, or that of groups that names their members.
    #[serde(default = "member_of")]
    group_member_attribute: String,
    #[serde(default = "timeout")]
    timeout: u64,
    #[serde(default = "keepalive")]
    keepalive: u64,
}

fn port() -> u16 {
    389
}

fn member_of() -> String {
    "memberOf".to_owned()
}

fn timeout() -> u64 {
    10_000
}

fn keepalive() -> u64 {
    60_000
}

/// The directory that knows admins.
pub struct Directory {
    options: Options,
    server: LdapServer,
    ldap: Arc<dyn Ldap>,
}

/// What a directory says of somebody: names of groups, where it is asked for them.
type Groups = Option<BTreeSet<String>>;

impl Directory {
    /// By `admin_gui_auth_conf`.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(given: &Map<String, Value>, ldap: Arc<dyn Ldap>) -> Result<Self, String> {
        let given = given.iter().filter(|(_, value)| !value.is_null());
        let given: Map<String, Value> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut options =
            Options::deserialize(Value::Object(given)).map_err(|error| format!("admin_gui_auth_conf: {error}"))?;
        for text in [&mut options.bind_dn, &mut options.ldap_password, &mut options.group_base_dn] {
            *text = text.take().filter(|text| !text.is_empty());
        }
        let security = match (options.ldaps, options.start_tls) {
            (true, true) => {
                return Err("admin_gui_auth_conf: 'ldaps' and 'start_tls' cannot be enabled simultaneously".to_owned());
            }
            (true, _) => LdapSecurity::Tls,
            (_, true) => LdapSecurity::StartTls,
            _ => LdapSecurity::None,
        };
        let server = LdapServer {
            host: options.ldap_host.clone(),
            port: options.ldap_port,
            security,
            verify: options.verify_ldap_host,
            timeout: Duration::from_millis(options.timeout),
            keepalive: Duration::from_millis(options.keepalive),
        };
        Ok(Self { options, server, ldap })
    }

    /// The groups of whoever has this name and password; none where nobody has.
    async fn proven(&self, name: &str, password: &str) -> Result<Option<Groups>, LdapError> {
        if name.is_empty() || password.is_empty() {
            return Ok(None);
        }
        let options = &self.options;
        let asker = options.bind_dn.clone().map(|dn| (dn, options.ldap_password.clone().unwrap_or_default()));
        let found = match &asker {
            Some(asker) => match self.person(asker, name).await? {
                Some(entry) => Some(entry),
                None => return Ok(None),
            },
            None => None,
        };
        let dn = match &found {
            Some(entry) => entry.dn.clone(),
            None => format!("{}={},{}", options.attribute, escaped(name), options.base_dn),
        };
        let fits = match self.ldap.bind(&self.server, &dn, password, Duration::ZERO) {
            Binding::Known(fits) => fits,
            Binding::Wait(asked) => asked.await?,
        };
        if !fits {
            return Ok(None);
        }
        let Some(base) = &options.group_base_dn else { return Ok(Some(None)) };
        // Who looks for people looks for groups; else they do it themselves.
        let asker = asker.unwrap_or_else(|| (dn.clone(), password.to_owned()));
        let key = options.group_name_attribute.as_ref().unwrap_or(&options.attribute);
        let groups = if options.group_member_attribute.eq_ignore_ascii_case("memberOf") {
            let entry = match found {
                Some(entry) => Some(entry),
                None => self.person(&asker, name).await?,
            };
            let of = entry.map(|entry| values(&entry, &options.group_member_attribute)).unwrap_or_default();
            of.iter().filter_map(|group| named(group, key, base)).collect()
        } else {
            let member = &options.group_member_attribute;
            let filter = format!("(|({member}={})({member}={}))", filtered(&dn), filtered(name));
            let search = LdapSearch { asker: Some(asker), base: base.clone(), filter, attributes: vec![key.clone()] };
            let entries = self.ldap.search(&self.server, search).await?;
            entries.iter().flat_map(|entry| values(entry, key)).collect()
        };
        Ok(Some(Some(groups)))
    }

    /// The one entry of a name, where there is exactly one.
    async fn person(&self, asker: &(String, String), name: &str) -> Result<Option<LdapEntry>, LdapError> {
        let Options { base_dn, attribute, group_member_attribute, .. } = &self.options;
        let search = LdapSearch {
            asker: Some(asker.clone()),
            base: base_dn.clone(),
            filter: format!("({attribute}={})", filtered(name)),
            attributes: vec![attribute.clone(), group_member_attribute.clone()],
        };
        let mut found = self.ldap.search(&self.server, search).await?;
        Ok(found.pop().filter(|_| found.is_empty()))
    }
}

/// The values of an attribute, whatever the case of its name.
fn values(entry: &LdapEntry, name: &str) -> Vec<String> {
    let mut attributes = entry.attributes.iter();
    attributes.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, values)| values.clone()).unwrap_or_default()
}

/// The name of a group by its distinguished name, where it is below `base` and named by the attribute `key`.
fn named(dn: &str, key: &str, base: &str) -> Option<String> {
    let bytes = dn.as_bytes();
    let end = (0..bytes.len()).find(|&at| bytes[at] == b',' && !is_escaped(bytes, at))?;
    let parts = |dn: &str| dn.split(',').map(|part| part.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    if !parts(&dn[end + 1..]).ends_with(&parts(base)) {
        return None;
    }
    let (attribute, value) = dn[..end].split_once('=')?;
    attribute.trim().eq_ignore_ascii_case(key).then(|| plain(value.trim()))
}

fn is_escaped(bytes: &[u8], at: usize) -> bool {
    bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// A value without its escapes (RFC 4514 §2.4).
fn plain(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()), after.first()) {
            (b'\\', Some(byte), _) => {
                out.push(byte);
                rest = &after[2..];
            }
            (b'\\', None, Some(&letter)) => {
                out.push(letter);
                rest = &after[1..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Gate {
    /// The admin with this name, whose password the directory knows. The directory's groups become the admin's, and whoever
    /// was invited has come.
    pub(super) async fn known_there(
        &self,
        directory: &Directory,
        admin: Option<Arc<Record>>,
        name: &str,
        password: &str,
        request_id: &str,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let said = directory.proven(name, password).await;
        let groups = match said {
            Ok(Some(groups)) => groups,
            Ok(None) => return Ok(None),
            Err(error) => {
                let LdapServer { host, port, .. } = &directory.server;
                tracing::error!(%error, "the directory {host}:{port} cannot be asked");
                return Err(refused());
            }
        };
        let status = |admin: &Record| admin.value.get("status").and_then(Value::as_i64);
        let Some(admin) = admin.filter(|admin| matches!(status(admin), Some(0 | 4))) else { return Ok(None) };
        let mut operations = Vec::new();
        let mut now = (*admin).clone();
        if status(&admin) == Some(4) {
            now.value.insert("status".to_owned(), 0.into());
            now.value.insert("register_token".to_owned(), Value::Null);
            now.value.insert("register_expires".to_owned(), Value::Null);
            operations.push(Operation::Update(now.clone()));
        }
        if let (Some(groups), Some(user)) = (groups, admin.reference("rbac_user")) {
            operations.extend(self.moves(&user, &groups).await?);
        }
        if operations.is_empty() {
            return Ok(Some(admin));
        }
        // Somebody who signs in twice at once, at two nodes, changes the same twice.
        self.write_for(&admin, operations, Vec::new(), request_id).await?;
        Ok(Some(Arc::new(now)))
    }

    /// What makes these the groups of a user, as far as `/groups` knows them.
    async fn moves(&self, user: &Id, groups: &BTreeSet<String>) -> Result<Vec<Operation>, Answer> {
        let policy = self.fresh_policy().await?;
        let view = policy.view();
        let wanted = |group: &Id| {
            let group = view.get("groups", group);
            group.and_then(|group| group.text("name")).is_some_and(|name| groups.contains(name))
        };
        let places: Vec<_> = view.children("rbac_user_groups", "user", user).collect();
        let mut operations: Vec<Operation> = places
            .iter()
            .filter(|place| !place.reference("group").is_some_and(|group| wanted(&group)))
            .map(|place| Operation::Delete { entity: "rbac_user_groups", id: place.id.clone() })
            .collect();
        for group in view.all("groups").filter(|group| wanted(&group.id)) {
            if places.iter().any(|place| place.reference("group").as_ref() == Some(&group.id)) {
                continue;
            }
            let place = json!({"user": {"id": user.to_string()}, "group": {"id": group.id.to_string()}});
            operations.push(Operation::Insert(made(&self.kinds, "rbac_user_groups", None, place)?));
        }
        Ok(operations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_by_what_is_below_their_base() {
        let base = "ou=groups,dc=grove,dc=test";
        for (dn, expected) in [
            ("cn=oaks,ou=groups,dc=grove,dc=test", Some("oaks")),
            ("CN=oaks, OU=Groups, DC=grove, DC=test", Some("oaks")),
            ("cn=a\\,b\\3dc,ou=inner,ou=groups,dc=grove,dc=test", Some("a,b=c")),
            ("cn=a\\\\,ou=groups,dc=grove,dc=test", Some("a\\")),
            ("ou=oaks,ou=groups,dc=grove,dc=test", None),
            ("cn=oaks,ou=people,dc=grove,dc=test", None),
            ("cn=oaks", None),
            ("", None),
        ] {
            assert_eq!(named(dn, "cn", base).as_deref(), expected, "{dn}");
        }
    }

    #[test]
    fn options_are_checked() {
        let read = |given: Value| {
            let given = given.as_object().cloned().unwrap_or_default();
            Directory::read(&given, Arc::new(exchange::ldap::NoLdap)).map(|read| read.options)
        };
        let least =
            read(json!({"ldap_host": "d", "base_dn": "dc=a", "attribute": "cn", "bind_dn": "", "timeout": null}));
        let least = least.expect("read");
        assert_eq!((least.ldap_port, least.bind_dn, least.timeout), (389, None, 10_000));
        for (given, sentence) in [
            (json!({"base_dn": "dc=a", "attribute": "cn"}), "missing field `ldap_host`"),
            (
                json!({"ldap_host": "d", "base_dn": "dc=a", "attribute": "cn", "ldaps": true, "start_tls": true}),
                "simultaneously",
            ),
            (
                json!({"ldap_host": "d", "base_dn": "dc=a", "attribute": "cn", "ldap_port": "x"}),
                "admin_gui_auth_conf: ",
            ),
        ] {
            let found = read(given).expect_err("refused");
            assert!(found.contains(sentence), "{found}");
        }
    }
}
