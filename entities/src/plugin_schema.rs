//! What a plugin and a kind of vault say of themselves.

use indexmap::IndexMap;
use schema::typedefs::{HTTP_PROTOCOLS, PROTOCOLS};
use schema::{Check, Field, Record, Schema, Value};
use std::{borrow::Cow, sync::Arc};

/// Where a plugin may be attached besides globally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes {
    /// To a Service.
    pub service: bool,
    /// To a Route.
    pub route: bool,
    /// To a Consumer.
    pub consumer: bool,
    /// To a Consumer Group.
    pub consumer_group: bool,
}

impl Scopes {
    /// To everything but Consumer Groups.
    pub const ALL: Self = Self { service: true, route: true, consumer: true, consumer_group: false };
    /// To everything.
    pub const GROUPS: Self = Self { consumer_group: true, ..Self::ALL };
    /// To Services and Routes: plugins that find out who the Consumer is.
    pub const NO_CONSUMER: Self = Self { consumer: false, ..Self::ALL };
    /// Nowhere: global only.
    pub const GLOBAL: Self = Self { service: false, route: false, consumer: false, consumer_group: false };
}

/// A plugin's definition.
#[derive(Debug, Clone)]
pub struct PluginSchema {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its place in the chain; higher runs earlier.
    pub priority: i32,
    /// Its version.
    pub version: Cow<'static, str>,
    /// The fields of `config`.
    pub config: Arc<Record>,
    /// Protocols it may run for.
    pub protocols: Vec<&'static str>,
    /// Protocols it runs for when none are given.
    pub default_protocols: Vec<&'static str>,
    /// Where it may be attached.
    pub scopes: Scopes,
    /// Whether its protocols are described before where it may not be attached.
    pub protocols_first: bool,
    /// Checks whose fields are named from the plugin: `config.x`.
    pub checks: Vec<Check>,
    /// Checks that are others where there is no database: told whether there is one.
    pub checks_by_storage: Vec<fn(bool) -> Check>,
    /// Changes `config` where there is no database.
    pub without_database: Option<fn(Record) -> Record>,
}

impl PluginSchema {
    /// A plugin of the HTTP proxy that may stand anywhere but at a Consumer Group.
    pub fn new<Config: Schema>(name: impl Into<Cow<'static, str>>) -> Self {
        Self::with_config(name, Config::record())
    }

    /// The same with fields made at run time.
    pub fn with_config(name: impl Into<Cow<'static, str>>, config: Record) -> Self {
        Self {
            name: name.into(),
            priority: 0,
            version: Cow::Borrowed(schema::KONG_VERSION),
            config: Arc::new(config.sealed()),
            protocols: HTTP_PROTOCOLS.to_vec(),
            default_protocols: HTTP_PROTOCOLS.to_vec(),
            scopes: Scopes::ALL,
            protocols_first: false,
            checks: Vec::new(),
            checks_by_storage: Vec::new(),
            without_database: None,
        }
    }

    /// Its place in the chain.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Its version.
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Self {
        self.version = version.into();
        self
    }

    /// It may run for these protocols.
    pub fn protocols(mut self, protocols: &[&'static str]) -> Self {
        self.protocols = protocols.to_vec();
        self
    }

    /// It may run for every protocol; the HTTP ones by default.
    pub fn all_protocols(self) -> Self {
        self.protocols(&PROTOCOLS)
    }

    /// It runs for these protocols when none are given.
    pub fn default_protocols(mut self, protocols: &[&'static str]) -> Self {
        self.default_protocols = protocols.to_vec();
        self
    }

    /// Where it may be attached.
    pub fn scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// Its protocols are described before where it may not be attached.
    pub fn protocols_first(mut self) -> Self {
        self.protocols_first = true;
        self
    }

    /// It may be attached to a Consumer Group, too.
    pub fn with_consumer_groups(mut self) -> Self {
        self.scopes.consumer_group = true;
        self
    }

    /// Adds a check whose fields are named from the plugin: `config.x`.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds several of them.
    pub fn checks(mut self, checks: impl IntoIterator<Item = Check>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// Adds a check that is another where there is no database, after the other checks: told whether there is one.
    pub fn check_by_storage(mut self, check: fn(bool) -> Check) -> Self {
        self.checks_by_storage.push(check);
        self
    }

    /// Changes `config` where there is no database.
    pub fn without_database(mut self, change: fn(Record) -> Record) -> Self {
        self.without_database = Some(change);
        self
    }

    /// The subschema as `GET /schemas/plugins/{name}` shows it: what differs from the entity's own fields.
    pub(crate) fn record(&self, database: bool) -> Record {
        let config = match self.without_database {
            Some(change) if !database => Arc::new(change((*self.config).clone()).sealed()),
            _ => self.config.clone(),
        };
        let protocols = Field::set("protocols", Field::string("").one_of(self.protocols.clone()))
            .required(true)
            .default(self.default_protocols.clone())
            .help("The request protocols that will trigger this plugin.");
        let mut record = Record::new();
        if self.protocols_first {
            record = record.field(protocols.clone());
        }
        let scopes = [
            ("consumer", "consumers", self.scopes.consumer),
            ("service", "services", self.scopes.service),
            ("route", "routes", self.scopes.route),
        ];
        for (name, entity, allowed) in scopes {
            if !allowed {
                record = record.field(Field::foreign(name, entity).eq(Value::Null));
            }
        }
        // A field that is there already keeps its place.
        record = record.field(protocols).field(Field::record("config", config).required(true));
        for check in &self.checks {
            record = record.check(check.clone());
        }
        for check in &self.checks_by_storage {
            record = record.check(check(database));
        }
        record.sealed()
    }
}

/// The plugins that are there, by name.
#[derive(Debug, Clone, Default)]
pub struct PluginSchemas(IndexMap<String, PluginSchema>);

impl PluginSchemas {
    /// One by name.
    pub fn get(&self, name: &str) -> Option<&PluginSchema> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PluginSchema> {
        self.0.values()
    }
}

impl FromIterator<PluginSchema> for PluginSchemas {
    fn from_iter<I: IntoIterator<Item = PluginSchema>>(schemas: I) -> Self {
        Self(schemas.into_iter().map(|schema| (schema.name.clone().into_owned(), schema)).collect())
    }
}

/// A kind of vault.
#[derive(Debug, Clone)]
pub struct VaultSchema {
    /// Its name: `env`.
    pub name: Cow<'static, str>,
    /// The fields of `config`.
    pub config: Arc<Record>,
}

impl VaultSchema {
    /// A kind of vault with these options.
    pub fn new(name: impl Into<Cow<'static, str>>, config: Record) -> Self {
        Self { name: name.into(), config: Arc::new(config.sealed()) }
    }

    /// The vault that reads environment variables.
    pub fn env() -> Self {
        let prefix = Field::string("prefix")
            .matches("^[%a_-][%a%d_-]*$")
            .help("Begin of the names of the environment variables to look up.");
        Self::new("env", Record::new().field(prefix))
    }

    pub(crate) fn record(&self) -> Record {
        Record::new().field(Field::record("config", self.config.clone()).required(true)).sealed()
    }
}

/// The kinds of vaults that are there, by name.
#[derive(Debug, Clone)]
pub struct VaultSchemas(IndexMap<String, VaultSchema>);

impl VaultSchemas {
    /// One by name.
    pub fn get(&self, name: &str) -> Option<&VaultSchema> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &VaultSchema> {
        self.0.values()
    }
}

impl Default for VaultSchemas {
    /// With `env` alone.
    fn default() -> Self {
        [VaultSchema::env()].into_iter().collect()
    }
}

impl FromIterator<VaultSchema> for VaultSchemas {
    fn from_iter<I: IntoIterator<Item = VaultSchema>>(schemas: I) -> Self {
        Self(schemas.into_iter().map(|schema| (schema.name.clone().into_owned(), schema)).collect())
    }
}
