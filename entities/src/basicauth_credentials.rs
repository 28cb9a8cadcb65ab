//! User names and passwords of Consumers.

use crate::{Consumer, Entity, crypto};
use schema::{Foreign, Map, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user name with a password.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct BasicauthCredential {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The Consumer it belongs to.
    #[field(is = cascade)]
    pub consumer: Foreign<Consumer>,
    /// User name.
    #[field(unique)]
    pub username: String,
    /// Password; stored as a hash.
    #[field(encrypted)]
    pub password: String,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for BasicauthCredential {
    const NAME: &'static str = "basicauth_credentials";
}

/// The password becomes the SHA-1 of itself followed by the Consumer's id.
fn hash(data: &mut Map<String, Value>, changed: Option<&Map<String, Value>>) {
    if changed.is_some_and(|changed| !changed.contains_key("password")) {
        return;
    }
    let consumer = data.get("consumer").and_then(|consumer| consumer.get("id")).and_then(Value::as_str).unwrap_or("");
    let hashed = match data.get("password").and_then(Value::as_str) {
        Some(password) => crypto::sha1_hex(format!("{password}{consumer}").as_bytes()),
        None => return,
    };
    data.insert("password".to_owned(), hashed.into());
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("username"),
        cache_key: &["username"],
        workspaceable: true,
        admin_api_name: Some("basic-auths"),
        admin_api_nested_name: Some("basic-auth"),
        plugin: Some("basic-auth"),
        transform: Some(hash),
        ..Entity::of::<BasicauthCredential>("basicauth_credentials")
    }
}
