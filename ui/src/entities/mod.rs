//! What the manager knows of each kind beyond its description: words, columns, and what belongs to what.

mod acls;
mod admins;
mod basicauth_credentials;
mod ca_certificates;
mod certificates;
mod consumer_groups;
mod consumers;
mod groups;
mod hmacauth_credentials;
mod jwt_secrets;
mod key_sets;
mod keyauth_credentials;
mod keys;
mod oauth2_credentials;
mod plugins;
mod rbac_roles;
mod rbac_users;
mod routes;
mod services;
mod snis;
mod targets;
mod upstreams;
mod vaults;
mod workspaces;

use serde_json::Value;

use crate::texts::Text;

/// One kind of entity.
#[derive(Debug, PartialEq)]
pub struct EntityKind {
    /// Its name in `/schemas`.
    pub key: &'static str,
    /// Its path in the Admin API and in the manager.
    pub path: &'static str,
    /// "Service".
    pub one: Text,
    /// "Services".
    pub many: Text,
    /// One sentence: what it is for.
    pub about: Text,
    /// Members that name it, best first.
    pub names: &'static [&'static str],
    /// Members shown in lists beside the name.
    pub columns: &'static [&'static str],
    /// Fields shown first in forms; the others stand below "More settings".
    pub first: &'static [&'static str],
    /// What belongs to it.
    pub related: &'static [Related],
    /// What is deleted with it, in a sentence; none where that is nothing.
    pub cascades: Option<Text>,
    /// Written only below another entity.
    pub below: Option<Below>,
    /// The fields that people set; empty: all that are described.
    pub only: &'static [&'static str],
    /// Where it stands in the navigation.
    pub group: Group,
}

/// A part of the navigation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Group {
    Gateway,
    Security,
    Access,
    /// Found at what it belongs to.
    None,
}

/// Entities that belong to another one: `GET /{parent}/{id}/{path}`.
#[derive(Debug, PartialEq)]
pub struct Related {
    /// Their kind's key.
    pub kind: &'static str,
    pub path: &'static str,
    /// Their field that points to the parent.
    pub field: &'static str,
    /// The title under which several are shown together, those that are empty left out.
    pub together: Option<Text>,
}

/// Where a kind is written: `/{parent}/{id}/{path}`.
#[derive(Debug, PartialEq)]
pub struct Below {
    pub parent: &'static str,
    /// The field that holds the parent.
    pub field: &'static str,
    pub path: &'static str,
    /// Read only there, too.
    pub only: bool,
}

/// All kinds, in the order of the navigation.
pub const KINDS: [&EntityKind; 24] = [
    &services::SERVICES,
    &routes::ROUTES,
    &upstreams::UPSTREAMS,
    &consumers::CONSUMERS,
    &consumer_groups::CONSUMER_GROUPS,
    &plugins::PLUGINS,
    &certificates::CERTIFICATES,
    &ca_certificates::CA_CERTIFICATES,
    &snis::SNIS,
    &vaults::VAULTS,
    &keys::KEYS,
    &key_sets::KEY_SETS,
    &workspaces::WORKSPACES,
    &admins::ADMINS,
    &rbac_users::RBAC_USERS,
    &rbac_roles::RBAC_ROLES,
    &groups::GROUPS,
    &targets::TARGETS,
    &keyauth_credentials::KEYAUTH_CREDENTIALS,
    &basicauth_credentials::BASICAUTH_CREDENTIALS,
    &jwt_secrets::JWT_SECRETS,
    &hmacauth_credentials::HMACAUTH_CREDENTIALS,
    &oauth2_credentials::OAUTH2_CREDENTIALS,
    &acls::ACLS,
];

/// The kind with this name in `/schemas`.
pub fn by_key(key: &str) -> Option<&'static EntityKind> {
    KINDS.into_iter().find(|kind| kind.key == key)
}

/// The kind at this path.
pub fn by_path(path: &str) -> Option<&'static EntityKind> {
    KINDS.into_iter().find(|kind| kind.path == path)
}

/// The kind whose path these segments begin with, and the segments after it.
pub fn by_segments<'s, 't>(segments: &'s [&'t str]) -> Option<(&'static EntityKind, &'s [&'t str])> {
    KINDS.into_iter().find_map(|kind| {
        let length = kind.path.split('/').count();
        let own = segments.get(..length)?;
        kind.path.split('/').eq(own.iter().copied()).then(|| (kind, &segments[length..]))
    })
}

impl EntityKind {
    /// "Service", in the language of the page.
    pub fn one(&self) -> &'static str {
        self.one.get()
    }

    /// "Services".
    pub fn many(&self) -> &'static str {
        self.many.get()
    }

    /// What it is for.
    pub fn about(&self) -> &'static str {
        self.about.get()
    }

    /// What is deleted with it; empty: nothing.
    pub fn cascades(&self) -> &'static str {
        self.cascades.map(Text::get).unwrap_or_default()
    }

    /// What to call this entity: its name, or the beginning of its id.
    pub fn name_of(&self, entity: &Value) -> String {
        let named = self.names.iter().find_map(|name| entity[*name].as_str().filter(|text| !text.is_empty()));
        named.map_or_else(|| short(entity["id"].as_str().unwrap_or("?")), str::to_owned)
    }

    /// The entity in an answer: some come wrapped together with what belongs to them, and some with hashes of secrets that
    /// are of no use to anybody.
    pub fn taken_from(&self, mut answer: Value) -> Value {
        let wrapper = match self.key {
            "consumer_groups" => "consumer_group",
            "admins" => "admin",
            "rbac_users" => {
                if let Some(members) = answer.as_object_mut() {
                    members.retain(|name, _| !name.starts_with("user_token"));
                }
                return answer;
            }
            _ => return answer,
        };
        match answer.get_mut(wrapper) {
            Some(entity) if entity.is_object() => entity.take(),
            _ => answer,
        }
    }

    /// Whether the Admin API tells of its certificate, when asked for more than Kong tells.
    pub fn has_certificate(&self) -> bool {
        matches!(self.key, "certificates" | "ca_certificates")
    }

    /// The argument that asks for it.
    pub fn more(&self) -> (&'static str, &'static str) {
        ("beyond_kong", if self.has_certificate() { "1" } else { "" })
    }

    /// Whether it has a list of its own.
    pub fn has_list(&self) -> bool {
        self.below.as_ref().is_none_or(|below| !below.only)
    }

    /// What stands for an entity in the manager's addresses: its id, with its parent's in front where it is read only
    /// there.
    pub fn address_of(&self, entity: &Value) -> String {
        let id = entity["id"].as_str().unwrap_or_default();
        match self.below.as_ref().filter(|below| below.only) {
            Some(below) => format!("{}.{id}", entity[below.field]["id"].as_str().unwrap_or_default()),
            None => id.to_owned(),
        }
    }

    /// Where an entity is read.
    pub fn read_path(&self, address: &str) -> String {
        use crate::page::encode;
        match (self.below.as_ref().filter(|below| below.only), address.split_once('.')) {
            (Some(below), Some((parent, id))) => {
                format!("{}/{}/{}/{}", below.parent, encode(parent), below.path, encode(id))
            }
            _ => format!("{}/{}", self.path, encode(address)),
        }
    }

    /// Where an entity is written: `id` none for a new one. None when its parent is not known.
    pub fn write_path(&self, entity: &Value, id: Option<&str>) -> Option<String> {
        let folder = match &self.below {
            None => self.path.to_owned(),
            Some(below) => {
                let parent = entity[below.field]["id"].as_str()?;
                format!("{}/{}/{}", below.parent, crate::page::encode(parent), below.path)
            }
        };
        Some(match id {
            Some(id) => format!("{folder}/{}", crate::page::encode(id)),
            None => folder,
        })
    }
}

/// The beginning of an id: enough to tell it from others.
pub fn short(id: &str) -> String {
    if id.len() == 36 { id.chars().take(8).collect() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_refer_to_kinds() {
        for kind in KINDS {
            assert_eq!(by_path(kind.path), Some(kind));
            for related in kind.related {
                assert!(by_key(related.kind).is_some(), "{}: {}", kind.key, related.kind);
            }
            let file = match kind.key {
                "routes" => "routes.traditional_compatible",
                key => key,
            };
            let path = format!("{}/../entities/tests/data/schemas/{file}.json", env!("CARGO_MANIFEST_DIR"));
            // Those that Kong's free edition does not have are tried in the browser.
            let Ok(description) = std::fs::read_to_string(path) else { continue };
            let description: Value = serde_json::from_str(&description).expect("JSON");
            let described: Vec<&Value> = description["fields"].as_array().into_iter().flatten().collect();
            let columns = kind.columns.iter().filter(|name| !name.starts_with("metadata."));
            for name in columns.chain(kind.first).chain(kind.names).chain(kind.only) {
                assert!(described.iter().any(|field| field.get(name).is_some()), "{}: {name}", kind.key);
            }
        }
    }

    #[test]
    fn members_in_lists_and_forms_have_words_in_every_language() {
        for tag in ["de", "zh"] {
            let path = format!("{}/locales/{tag}.json", env!("CARGO_MANIFEST_DIR"));
            let file: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
            for kind in KINDS {
                for name in kind.columns.iter().chain(kind.first).chain(kind.only).chain(&["id", "created_at"]) {
                    let name = name.rsplit('.').next().unwrap_or_default();
                    assert!(file["members"][name].is_string(), "{tag}: {name}");
                }
            }
        }
    }

    #[test]
    fn entities_come_out_of_their_wrapping() {
        let taken = |key: &str, answer: Value| by_key(key).expect("a kind").taken_from(answer);
        for (key, answer, expected) in [
            ("consumer_groups", json!({"consumer_group": {"id": "g"}, "consumers": []}), json!({"id": "g"})),
            ("consumer_groups", json!({"id": "g"}), json!({"id": "g"})),
            ("admins", json!({"admin": {"id": "a"}}), json!({"id": "a"})),
            ("rbac_users", json!({"id": "u", "user_token": "$", "user_token_ident": "1"}), json!({"id": "u"})),
            ("services", json!({"id": "s", "admin": {}}), json!({"id": "s", "admin": {}})),
        ] {
            assert_eq!(taken(key, answer), expected);
        }
    }

    #[test]
    fn credentials_are_written_below_their_consumer() {
        let kind = by_key("keyauth_credentials").expect("a kind");
        assert_eq!(
            kind.write_path(&json!({"consumer": {"id": "c"}}), Some("k")).as_deref(),
            Some("consumers/c/key-auth/k")
        );
        assert_eq!(kind.write_path(&json!({}), None), None);
    }

    #[test]
    fn targets_are_read_below_their_upstream() {
        let kind = by_key("targets").expect("a kind");
        let address = kind.address_of(&json!({"id": "t", "upstream": {"id": "u"}}));
        assert_eq!((address.as_str(), kind.read_path(&address).as_str()), ("u.t", "upstreams/u/targets/t"));
        let services = by_key("services").expect("a kind");
        assert_eq!(services.read_path(&services.address_of(&json!({"id": "a/b"}))), "services/a%2Fb");
        assert!(services.has_list() && !kind.has_list());
    }
}
