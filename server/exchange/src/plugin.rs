//! The life of a request as a plugin sees it.

use crate::{Answer, Exchange, Services};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// What follows a phase.
#[derive(Debug)]
pub enum Flow {
    /// The next plugin.
    Next,
    /// This answer, instead of going on. In access the remaining plugins are still chosen, and take part in the
    /// phases of the response, but their access is not run (Kong's delayed response).
    Answer(Box<Answer>),
}

impl From<Answer> for Flow {
    fn from(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// The outcome of a phase that may have to wait for someone. A phase that need not wait allocates nothing.
pub enum Step<'a> {
    /// Decided.
    Ready(Flow),
    /// Someone is being asked.
    Wait(Pin<Box<dyn Future<Output = Flow> + 'a>>),
}

impl Step<'_> {
    /// On to the next plugin.
    pub const NEXT: Self = Self::Ready(Flow::Next);
}

impl From<Answer> for Step<'_> {
    fn from(answer: Answer) -> Self {
        Self::Ready(answer.into())
    }
}

/// The phases a plugin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Phases(u8);

impl Phases {
    /// Before routing, on global configurations only.
    pub const REWRITE: Self = Self(1);
    /// After routing, before the upstream is asked.
    pub const ACCESS: Self = Self(2);
    /// When the response's head is about to go out.
    pub const HEADER_FILTER: Self = Self(4);
    /// For each chunk of the response's body.
    pub const BODY_FILTER: Self = Self(8);
    /// After the last byte.
    pub const LOG: Self = Self(16);
    /// Access and log have a meaning for sessions of TCP, TLS and UDP too (Kong's `preread` and `log`): the plugin
    /// reads only what those have, and its answer's message is sent as it is.
    pub const SESSION: Self = Self(32);
    /// When an upstream's answer is there whole, before its head goes out. A plugin that has it sets
    /// `Exchange::buffer_response` in access.
    pub const RESPONSE: Self = Self(64);
    /// While hands are shaken with a client, on global configurations only.
    pub const CERTIFICATE: Self = Self(128);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A piece of a response's body. A filter may change `data`, keep it back by taking it, and add at the end.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes; may be empty.
    pub data: Bytes,
    /// Whether this is the last call; it comes exactly once.
    pub last: bool,
}

/// What a configured plugin is told of itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The plugin entity's id.
    pub id: Uuid,
    /// Its workspace.
    pub workspace: Uuid,
    /// `instance_name`, where set.
    pub instance_name: Option<String>,
    /// Route it is attached to.
    pub route: Option<Uuid>,
    /// Service it is attached to.
    pub service: Option<Uuid>,
    /// Consumer it is attached to.
    pub consumer: Option<Uuid>,
    /// Consumer Group it is attached to.
    pub consumer_group: Option<Uuid>,
}

/// A plugin, configured. Its methods are the phases of a request, in order.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Name in `plugins` entities.
    const NAME: &'static str;
    /// Larger runs first, in every phase.
    const PRIORITY: i32;
    /// Version shown in `GET /`.
    const VERSION: &'static str = schema::KONG_VERSION;
    /// The phases implemented below.
    const PHASES: Phases;
    /// Its options: one definition for validation, defaults, `/schemas`, forms and this type.
    type Config: schema::Schema + DeserializeOwned;

    /// Its schema: the Config's record, the scopes and protocols it may have.
    fn schema() -> entities::PluginSchema;

    /// A configured instance. Errors refuse the configuration where it was submitted.
    fn new(config: Self::Config, about: &About, services: &Services) -> Result<Self, String>;

    /// The phases that this configuration needs, among [`Plugin::PHASES`].
    fn used(&self) -> Phases {
        Self::PHASES
    }

    /// A client has begun a TLS handshake (global configurations only). The Exchange has no HTTP; its state has the
    /// [`Handshake`](crate::Handshake) to change. An answer ends the handshake.
    fn certificate<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }

    /// Before routing (global configurations only).
    fn rewrite<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }

    /// After routing: authenticate, limit, change the request, or answer.
    fn access<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }

    /// An upstream's answer is there whole: change it, or replace it.
    fn response<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }

    /// The response's head is complete; change it, or replace the response.
    fn header_filter(&self, _exchange: &mut Exchange) -> Flow {
        Flow::Next
    }

    /// A piece of the response's body. A plugin that changes the length removes `Content-Length` in header_filter.
    fn body_filter(&self, _exchange: &mut Exchange, _chunk: &mut Chunk) {}

    /// The response has gone out.
    fn log(&self, _exchange: &Exchange) {}

    /// Whether clients must be asked for a certificate when they shake hands: those of the server names that the plugin's
    /// Routes have, or all where one of them has none. Who has none is served all the same.
    fn asks_for_certificate(&self) -> bool {
        false
    }
}

/// A configured plugin, its type forgotten: what plugin chains hold.
pub trait Instance: Send + Sync {
    /// [`Plugin::NAME`]
    fn name(&self) -> &'static str;
    /// [`Plugin::PRIORITY`]
    fn priority(&self) -> i32;
    /// [`Plugin::used`]
    fn phases(&self) -> Phases;
    /// [`Plugin::certificate`]
    fn certificate<'a>(&'a self, _exchange: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }
    /// [`Plugin::rewrite`]
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a>;
    /// [`Plugin::access`]
    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a>;
    /// [`Plugin::response`]
    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a>;
    /// [`Plugin::header_filter`]
    fn header_filter(&self, exchange: &mut Exchange) -> Flow;
    /// [`Plugin::body_filter`]
    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk);
    /// [`Plugin::log`]
    fn log(&self, exchange: &Exchange);
    /// [`Plugin::asks_for_certificate`]
    fn asks_for_certificate(&self) -> bool {
        false
    }
}

impl<P: Plugin> Instance for P {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn priority(&self) -> i32 {
        P::PRIORITY
    }
    fn phases(&self) -> Phases {
        self.used()
    }
    fn certificate<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Plugin::certificate(self, exchange)
    }
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Plugin::rewrite(self, exchange)
    }
    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Plugin::access(self, exchange)
    }
    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Plugin::response(self, exchange)
    }
    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        Plugin::header_filter(self, exchange)
    }
    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        Plugin::body_filter(self, exchange, chunk)
    }
    fn log(&self, exchange: &Exchange) {
        Plugin::log(self, exchange)
    }
    fn asks_for_certificate(&self) -> bool {
        Plugin::asks_for_certificate(self)
    }
}

type Build = dyn Fn(&Value, &About, &Services) -> Result<Arc<dyn Instance>, String> + Send + Sync;

/// A plugin that can be configured.
pub struct PluginType {
    /// Name in `plugins` entities.
    pub name: &'static str,
    /// Larger runs first.
    pub priority: i32,
    /// Version shown in `GET /`.
    pub version: &'static str,
    /// Its schema.
    pub schema: entities::PluginSchema,
    build: Box<Build>,
}

impl PluginType {
    /// The type of a plugin written in Rust.
    pub fn of<P: Plugin>() -> Self {
        Self {
            name: P::NAME,
            priority: P::PRIORITY,
            version: P::VERSION,
            schema: P::schema(),
            build: Box::new(|config, about, services| {
                let config =
                    P::Config::deserialize(config).map_err(|error| format!("config of '{}': {error}", P::NAME))?;
                Ok(Arc::new(P::new(config, about, services)?))
            }),
        }
    }

    /// A type that is known only at run time; its priority is that of the schema.
    pub fn new(
        name: &'static str,
        version: &'static str,
        schema: entities::PluginSchema,
        build: impl Fn(&Value, &About, &Services) -> Result<Arc<dyn Instance>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { name, priority: schema.priority, version, schema, build: Box::new(build) }
    }

    /// A configured instance from a complete, validated `config`.
    pub fn build(&self, config: &Value, about: &About, services: &Services) -> Result<Arc<dyn Instance>, String> {
        (self.build)(config, about, services)
    }
}

/// The plugins a node has, by name.
#[derive(Default)]
pub struct Registry(BTreeMap<&'static str, PluginType>);

impl Registry {
    /// Adds a plugin; a later one of the same name takes its place.
    pub fn add(&mut self, plugin: PluginType) {
        self.0.insert(plugin.name, plugin);
    }

    /// The plugin of a name.
    pub fn get(&self, name: &str) -> Option<&PluginType> {
        self.0.get(name)
    }

    /// Every plugin, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PluginType> {
        self.0.values()
    }

    /// Keeps only the plugins for which `keep(name)` holds (the `plugins` property).
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }
}
