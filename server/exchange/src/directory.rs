//! Whom a request belongs to: look-ups of Consumers and credentials.

use crate::headers::Headers;
use crate::names::Name;
use serde_json::{Map, Value};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// A Consumer as requests need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Primary key.
    pub id: Uuid,
    /// Unique name.
    pub username: Option<Arc<str>>,
    /// Unique id of an outside system.
    pub custom_id: Option<Arc<str>>,
    /// Tags.
    pub tags: Vec<Arc<str>>,
    /// Consumer groups it belongs to, in the order of their names.
    pub groups: Vec<Uuid>,
    /// Time of creation, seconds since 1970.
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    pub updated_at: i64,
}

impl Consumer {
    /// By its record's fields, and the names and ids of the groups it belongs to.
    pub fn of(id: Uuid, record: &Map<String, Value>, mut groups: Vec<(String, Uuid)>) -> Self {
        groups.sort();
        let text = |field: &str| record.get(field).and_then(Value::as_str).map(Arc::from);
        let time = |field: &str| record.get(field).and_then(Value::as_i64).unwrap_or_default();
        let tags = record.get("tags").and_then(Value::as_array).into_iter().flatten();
        Self {
            id,
            username: text("username"),
            custom_id: text("custom_id"),
            tags: tags.filter_map(Value::as_str).map(Arc::from).collect(),
            groups: groups.into_iter().map(|(_, id)| id).collect(),
            created_at: time("created_at"),
            updated_at: time("updated_at"),
        }
    }
}

/// One credential of any plugin: the stored record, by its looked-up key.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    /// Primary key.
    pub id: Uuid,
    /// The entity's name, for instance `keyauth_credentials`.
    pub entity: &'static str,
    /// Its Consumer, where it has one.
    pub consumer: Option<Uuid>,
    /// When it ceases to exist, in Unix seconds; `None` = never.
    pub expires: Option<i64>,
    /// Every stored field.
    pub record: Map<String, Value>,
}

impl Credential {
    /// Whether its time to live has run out at `now`, in Unix seconds.
    pub fn expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// A text field of the record.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.record.get(field).and_then(Value::as_str)
    }
}

/// The store could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the directory cannot be asked: {0}")]
pub struct DirectoryError(pub String);

/// The answer to a look-up: at once where memory knows it, else a future (database mode, first use of a key).
pub enum Lookup<T> {
    /// It is known that there is this one, or none.
    Known(Option<T>),
    /// Someone must be asked.
    Wait(Pin<Box<dyn Future<Output = Result<Option<T>, DirectoryError>>>>),
}

impl<T> Lookup<T> {
    /// Waits where waiting is needed.
    pub async fn get(self) -> Result<Option<T>, DirectoryError> {
        match self {
            Self::Known(found) => Ok(found),
            Self::Wait(future) => future.await,
        }
    }
}

/// Look-ups by what a client presents, within one workspace (`ws`).
pub trait Directory: Send + Sync {
    /// The Route of a number, in the configuration that a request is served by.
    fn route(&self, _number: u32) -> Option<&Arc<entities::Route>> {
        None
    }

    /// A Consumer by primary key.
    fn consumer(&self, ws: Uuid, id: Uuid) -> Lookup<Arc<Consumer>>;

    /// A Consumer by `username`.
    fn consumer_by_username(&self, ws: Uuid, username: &str) -> Lookup<Arc<Consumer>>;

    /// A Consumer by `custom_id`.
    fn consumer_by_custom_id(&self, ws: Uuid, custom_id: &str) -> Lookup<Arc<Consumer>>;

    /// A credential of `entity` by the value of its endpoint key (`key`, `username`, `client_id`, …).
    fn credential(&self, ws: Uuid, entity: &'static str, key: &str) -> Lookup<Arc<Credential>>;

    /// A credential of `entity` by primary key, for those that other records refer to (`oauth2_credentials`). A directory
    /// to which nothing refers need not know.
    fn credential_by_id(&self, _ws: Uuid, _entity: &'static str, _id: Uuid) -> Lookup<Arc<Credential>> {
        Lookup::Known(None)
    }

    /// Every record of `entity` that belongs to a Consumer (`acls`).
    fn of_consumer(&self, ws: Uuid, entity: &'static str, consumer: Uuid) -> Lookup<Vec<Arc<Credential>>>;

    /// A CA certificate by primary key, as DER. While its record stays the same, so does what this gives.
    fn authority(&self, _id: Uuid) -> Option<Arc<[u8]>> {
        None
    }

    /// Whether there is an Upstream of that name.
    fn has_upstream(&self, _ws: Uuid, _name: &str) -> bool {
        false
    }

    /// The name of a workspace.
    fn workspace_name(&self, ws: Uuid) -> Option<Arc<str>> {
        (ws == entities::DEFAULT_WORKSPACE).then(|| Arc::from("default"))
    }
}

/// A Directory without anyone in it: for tests, and before the first configuration.
#[derive(Debug, Default)]
pub struct Nobody;

impl Directory for Nobody {
    fn consumer(&self, _: Uuid, _: Uuid) -> Lookup<Arc<Consumer>> {
        Lookup::Known(None)
    }
    fn consumer_by_username(&self, _: Uuid, _: &str) -> Lookup<Arc<Consumer>> {
        Lookup::Known(None)
    }
    fn consumer_by_custom_id(&self, _: Uuid, _: &str) -> Lookup<Arc<Consumer>> {
        Lookup::Known(None)
    }
    fn credential(&self, _: Uuid, _: &'static str, _: &str) -> Lookup<Arc<Credential>> {
        Lookup::Known(None)
    }
    fn of_consumer(&self, _: Uuid, _: &'static str, _: Uuid) -> Lookup<Vec<Arc<Credential>>> {
        Lookup::Known(Some(Vec::new()))
    }
}

/// Headers that tell the upstream who the client is; whatever the client sent under these names is removed.
pub const IDENTITY_HEADERS: [&str; 5] =
    ["X-Consumer-ID", "X-Consumer-Custom-ID", "X-Consumer-Username", "X-Credential-Identifier", "X-Anonymous-Consumer"];

/// Writes the identity headers for a Consumer (or none) and a credential's identifier.
pub fn write_identity(headers: &mut Headers, consumer: Option<&Consumer>, identifier: Option<&str>, anonymous: bool) {
    headers.remove_known(Name::Identity);
    if let Some(consumer) = consumer {
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        headers.append_known("X-Consumer-ID", consumer.id.hyphenated().encode_lower(&mut id).as_bytes());
        if let Some(custom_id) = &consumer.custom_id {
            headers.append("X-Consumer-Custom-ID", custom_id.as_bytes());
        }
        if let Some(username) = &consumer.username {
            headers.append("X-Consumer-Username", username.as_bytes());
        }
    }
    if anonymous {
        headers.append("X-Anonymous-Consumer", "true");
    } else if let Some(identifier) = identifier {
        headers.append("X-Credential-Identifier", identifier);
    }
}
