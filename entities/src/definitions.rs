//! All entities together, as one node knows them.

use crate::{Entity, PluginSchema, PluginSchemas, VaultSchemas, random_token, random_uuid};
use indexmap::IndexMap;
use router::Flavor;
use schema::{Context, Errors, Field, Map, OnDelete, Record, Value, address::Address};
use std::{borrow::Cow, sync::Arc};

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// There is no entity of that name.
    Unknown(String),
    /// It breaks the schema.
    Invalid(Errors),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "No entity named '{name}'"),
            Self::Invalid(errors) => errors.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Errors> for Fault {
    fn from(errors: Errors) -> Self {
        Self::Invalid(errors)
    }
}

/// Entities, plugins and vaults of a node: validates what comes in, describes itself.
///
/// Cheap to share in an `Arc`; building it is not cheap.
#[derive(Debug)]
pub struct Definitions {
    entities: IndexMap<&'static str, Entity>,
    plugins: PluginSchemas,
    plugin_records: IndexMap<String, Subschema>,
    vaults: VaultSchemas,
    vault_records: IndexMap<String, Subschema>,
    route_records: IndexMap<&'static str, Arc<Record>>,
    flavor: Flavor,
    database: bool,
}

#[derive(Debug)]
struct Subschema {
    /// The entity's record with the subschema applied.
    merged: Record,
    /// The subschema by itself.
    own: Record,
}

impl Definitions {
    /// With the plugins and vaults that are there, the router's flavour, and whether there is a database.
    pub fn new(plugins: PluginSchemas, vaults: VaultSchemas, flavor: Flavor, database: bool) -> Self {
        let entities: IndexMap<&'static str, Entity> =
            all(flavor).into_iter().map(|entity| (entity.name, entity)).collect();
        let empty = Record::new();
        let record = |name: &str| entities.get(name).map_or(&empty, |entity| &*entity.record);
        let plugin_records = plugins
            .iter()
            .map(|plugin| {
                let own = plugin.record(database);
                let group = Field::foreign("consumer_group", "consumer_groups").on_delete(OnDelete::Cascade);
                let group =
                    if plugin.scopes.consumer_group { group.default(Value::Null) } else { group.eq(Value::Null) };
                let merged = record("plugins").merged(&own).field(group).sealed();
                (plugin.name.clone().into_owned(), Subschema { merged, own })
            })
            .collect();
        let vault_records = vaults
            .iter()
            .map(|vault| {
                let own = vault.record();
                let merged = record("vaults").merged(&own);
                (vault.name.clone().into_owned(), Subschema { merged, own })
            })
            .collect();
        let route_records = crate::routes::subschemas(record("routes"), flavor);
        Self { entities, plugins, plugin_records, vaults, vault_records, route_records, flavor, database }
    }

    /// With kinds that plugins bring along.
    ///
    /// # Errors
    /// A sentence, where there is a kind of that name or path already, or where a field points to a kind that there is not.
    pub fn with_entities(mut self, more: Vec<Entity>) -> Result<Self, String> {
        for entity in more {
            let plugin = entity.plugin.unwrap_or_default();
            let taken = |other: &Entity| other.name == entity.name || other.path() == entity.path();
            if self.entities.values().any(taken) {
                return Err(format!("plugin '{plugin}': there is an entity '{}' already", entity.name));
            }
            let unknown = entity
                .references()
                .find(|(_, target, _)| *target != entity.name && !self.entities.contains_key(target));
            if let Some((field, target, _)) = unknown {
                let name = entity.name;
                return Err(format!(
                    "plugin '{plugin}': '{field}' of '{name}' points to '{target}', which there is not"
                ));
            }
            self.entities.insert(entity.name, entity);
        }
        Ok(self)
    }

    /// The router's flavour.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Whether there is a database.
    pub fn database(&self) -> bool {
        self.database
    }

    /// All entities, parents before children.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values()
    }

    /// An entity by its plural name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.get(name)
    }

    /// An entity by its path segment at the Admin API: `key-auths`.
    pub fn entity_at(&self, path: &str) -> Option<&Entity> {
        self.entities.values().find(|entity| entity.generate_admin_api && entity.path() == path)
    }

    /// The plugins that are there.
    pub fn plugins(&self) -> &PluginSchemas {
        &self.plugins
    }

    /// A plugin by name.
    pub fn plugin(&self, name: &str) -> Option<&PluginSchema> {
        self.plugins.get(name)
    }

    /// The kinds of vaults that are there.
    pub fn vaults(&self) -> &VaultSchemas {
        &self.vaults
    }

    /// The fields that hold for a value, subschema applied: what `data` will be validated with.
    pub fn record_for(&self, entity: &str, data: &Map<String, Value>) -> Result<&Record, Fault> {
        let definition = self.entities.get(entity).ok_or_else(|| Fault::Unknown(entity.to_owned()))?;
        let of = |records: &'_ IndexMap<String, Subschema>, unknown: &dyn Fn(&str) -> String| {
            let error = match data.get("name") {
                None | Some(Value::Null) => "required field missing".to_owned(),
                Some(Value::String(name)) => match records.get_index_of(name.as_str()) {
                    Some(index) => return Ok(index),
                    None => unknown(name),
                },
                Some(_) => "expected a string".to_owned(),
            };
            Err(Errors::of("name", error))
        };
        match entity {
            "plugins" => {
                let index = of(&self.plugin_records, &|name| {
                    format!("plugin '{name}' not enabled; add it to the 'plugins' configuration property")
                })?;
                Ok(&self.plugin_records[index].merged)
            }
            "vaults" => {
                let index = of(&self.vault_records, &|name| format!("vault '{name}' is not installed"))?;
                Ok(&self.vault_records[index].merged)
            }
            "routes" => self.route_record(data.get("protocols")),
            _ => Ok(&definition.record),
        }
    }

    /// The record of the first protocol that has one.
    fn route_record(&self, protocols: Option<&Value>) -> Result<&Record, Fault> {
        let found = match protocols {
            None => self.route_records.get("http"),
            Some(Value::Null) => return Err(Errors::of("protocols", "required field missing").into()),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).find_map(|protocol| self.route_records.get(protocol))
            }
            Some(Value::String(protocol)) => self.route_records.get(protocol.as_str()),
            Some(_) => None,
        };
        found.map(|record| &**record).ok_or_else(|| {
            let named = match protocols {
                Some(Value::Array(items)) => items.first(),
                other => other.filter(|value| !value.is_object()),
            };
            let named = named.map_or_else(|| "nil".to_owned(), schema::lua::to_string);
            Errors::of("protocols", format!("unknown type: {named}")).into()
        })
    }

    /// What the writing paths of the Admin API refuse before the schema has its say (and `/schemas/…/validate` and
    /// declarative files do not): the address of a Target, in other words than the schema's.
    pub fn check_write(&self, entity: &str, data: &Map<String, Value>) -> Result<(), Fault> {
        if entity == "targets"
            && let Some(Value::String(text)) = data.get("target")
            && !text.is_empty()
            && Address::parse(text).is_err()
        {
            return Err(Errors::of("target", "Invalid target; not a valid hostname or ip address").into());
        }
        Ok(())
    }

    /// Whether a value can be that of a field: what names an entity in a path is held to the field's rules.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_field(&self, entity: &str, field: &str, value: &str) -> Result<(), String> {
        let Some(field) = self.entity(entity).and_then(|entity| entity.record.get(field)) else { return Ok(()) };
        field.check(value.into(), &context(0.0)).map_err(|error| match error {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// Creation: defaults, automatic values, validation, transformations. `now` in seconds since 1970.
    ///
    /// `ttl` (where the entity may expire) stays in the result when it is given; `ws_id` is no field and is refused.
    pub fn process_insert(
        &self,
        entity: &str,
        data: Map<String, Value>,
        now: f64,
    ) -> Result<Map<String, Value>, Fault> {
        self.insert(entity, data, now, true)
    }

    /// Creation from a declarative file with `_transform: false`: values are already transformed.
    pub fn process_insert_untransformed(
        &self,
        entity: &str,
        data: Map<String, Value>,
        now: f64,
    ) -> Result<Map<String, Value>, Fault> {
        self.insert(entity, data, now, false)
    }

    /// Creation or replacement (PUT): as creation; of what is there only `created_at` stays.
    pub fn process_upsert(
        &self,
        entity: &str,
        mut data: Map<String, Value>,
        existing: Option<&Map<String, Value>>,
        now: f64,
    ) -> Result<Map<String, Value>, Fault> {
        if let Some(created) = existing.and_then(|existing| existing.get("created_at"))
            && data.get("created_at").is_none_or(Value::is_null)
        {
            data.insert("created_at".to_owned(), created.clone());
        }
        self.insert(entity, data, now, true)
    }

    /// Partial update (PATCH).
    pub fn process_update(
        &self,
        entity: &str,
        existing: &Map<String, Value>,
        mut patch: Map<String, Value>,
        now: f64,
    ) -> Result<Map<String, Value>, Fault> {
        let definition = self.entity(entity).ok_or_else(|| Fault::Unknown(entity.to_owned()))?;
        let ttl = take_ttl(definition, &mut patch)?;
        let mut existing = Cow::Borrowed(existing);
        let kept = ["ttl", "ws_id"].map(|name| {
            if !existing.contains_key(name) || definition.record.get(name).is_some() {
                return None;
            }
            existing.to_mut().shift_remove(name)
        });
        let key = definition.subschema_key;
        let chooser = match key.and_then(|key| patch.get(key).map(|value| (key, value))) {
            Some((key, value)) => {
                let mut chooser = Map::new();
                chooser.insert(key.to_owned(), value.clone());
                Cow::Owned(chooser)
            }
            None => Cow::Borrowed(&*existing),
        };
        let record = self.record_for(entity, &chooser)?;
        let changed = patch.clone();
        let mut data = record.update(&existing, patch, &context(now))?;
        for change in [definition.normalise, definition.transform].into_iter().flatten() {
            change(&mut data, Some(&changed));
        }
        let [_, ws] = kept;
        if let Some(ws) = ws {
            data.insert("ws_id".to_owned(), ws);
        }
        if let Some(ttl) = ttl {
            data.insert("ttl".to_owned(), ttl);
        }
        Ok(data)
    }

    fn insert(
        &self,
        entity: &str,
        mut data: Map<String, Value>,
        now: f64,
        transform: bool,
    ) -> Result<Map<String, Value>, Fault> {
        let definition = self.entity(entity).ok_or_else(|| Fault::Unknown(entity.to_owned()))?;
        let ttl = take_ttl(definition, &mut data)?;
        let record = self.record_for(entity, &data)?;
        let mut data = record.insert(data, &context(now))?;
        if let Some(change) = definition.normalise {
            change(&mut data, None);
        }
        if transform && let Some(change) = definition.transform {
            change(&mut data, None);
        }
        if let Some(ttl) = ttl {
            data.insert("ttl".to_owned(), ttl);
        }
        Ok(data)
    }

    /// What the Admin API shows of a stored value: fields in order, old names of moved fields, no `ws_id`.
    pub fn present(&self, entity: &str, data: &Map<String, Value>) -> Map<String, Value> {
        let Ok(record) = self.record_for(entity, data) else { return data.clone() };
        let ttl = data.get("ttl").filter(|_| record.get("ttl").is_none()).cloned();
        let mut shown = record.present(data.clone());
        // Consumer groups are not part of the free edition's plugins: only shown when used.
        if entity == "plugins" && shown.get("consumer_group").is_some_and(Value::is_null) {
            shown.shift_remove("consumer_group");
        }
        if let Some(ttl) = ttl {
            shown.insert("ttl".to_owned(), ttl);
        }
        shown
    }

    /// The body of `GET /schemas/{entity}`.
    pub fn describe(&self, entity: &str) -> Option<Value> {
        Some(self.entity(entity)?.record.describe())
    }

    /// The body of `GET /schemas/{entity}?beyond_kong=1`: with the fields that Kong does not have.
    pub fn describe_all(&self, entity: &str) -> Option<Value> {
        Some(self.entity(entity)?.record.describe_all())
    }

    /// The body of `GET /schemas/plugins/{name}`.
    pub fn describe_plugin(&self, name: &str) -> Option<Value> {
        Some(self.plugin_records.get(name)?.own.describe())
    }

    /// The body of `GET /schemas/vaults/{name}`.
    pub fn describe_vault(&self, name: &str) -> Option<Value> {
        Some(self.vault_records.get(name)?.own.describe())
    }
}

/// The longest life time, in seconds.
const MAX_TTL: i64 = 100_000_000;

/// Takes `ttl` out of what is written to an entity that may expire.
fn take_ttl(entity: &Entity, data: &mut Map<String, Value>) -> Result<Option<Value>, Errors> {
    if !entity.ttl || entity.record.get("ttl").is_some() {
        return Ok(None);
    }
    match data.shift_remove("ttl") {
        None | Some(Value::Null) => Ok(None),
        Some(ttl) if whole(&ttl).is_some_and(|seconds| (0..=MAX_TTL).contains(&seconds)) => Ok(Some(ttl)),
        Some(_) => Err(Errors::of("ttl", format!("must be an integer between 0 and {MAX_TTL}"))),
    }
}

fn whole(value: &Value) -> Option<i64> {
    let number = value.as_f64()?;
    #[allow(clippy::cast_possible_truncation, reason = "checked to be integral and small")]
    (number == number.trunc() && number.abs() <= 1e9).then_some(number as i64)
}

fn context(now: f64) -> Context {
    Context { now, uuid: random_uuid, token: random_token, regex: crate::regex::check, updating: false }
}

/// Every entity, parents before children.
fn all(flavor: Flavor) -> Vec<Entity> {
    vec![
        crate::workspaces::entity(),
        crate::consumers::entity(),
        crate::consumer_groups::entity(),
        crate::consumer_group_consumers::entity(),
        crate::certificates::entity(),
        crate::ca_certificates::entity(),
        crate::services::entity(),
        crate::routes::entity(flavor),
        crate::snis::entity(),
        crate::upstreams::entity(),
        crate::targets::entity(),
        crate::plugins::entity(),
        crate::tags::entity(),
        crate::clustering_data_planes::entity(),
        crate::cluster_events::entity(),
        crate::parameters::entity(),
        crate::vaults::entity(),
        crate::key_sets::entity(),
        crate::keys::entity(),
        crate::filter_chains::entity(),
        crate::keyauth_credentials::entity(),
        crate::basicauth_credentials::entity(),
        crate::hmacauth_credentials::entity(),
        crate::jwt_secrets::entity(),
        crate::mtls_auth_credentials::entity(),
        crate::acls::entity(),
        crate::quota_raises::entity(),
        crate::oauth2_credentials::entity(),
        crate::oauth2_authorization_codes::entity(),
        crate::oauth2_tokens::entity(),
        crate::acme_storage::entity(),
        crate::sessions::entity(),
        crate::ratelimiting_metrics::entity(),
        crate::quota_counters::entity(),
        crate::rbac_users::entity(),
        crate::rbac_roles::entity(),
        crate::rbac_user_roles::entity(),
        crate::rbac_role_endpoints::entity(),
        crate::rbac_role_entities::entity(),
        crate::groups::entity(),
        crate::group_rbac_roles::entity(),
        crate::rbac_user_groups::entity(),
        crate::rbac_user_tokens::entity(),
        crate::admins::entity(),
        crate::admin_sessions::entity(),
        crate::login_attempts::entity(),
        crate::audit_requests::entity(),
        crate::audit_objects::entity(),
        crate::event_hooks::entity(),
    ]
}
