//! SNIs: TLS server names and the certificates for them.

use crate::{Certificate, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A TLS server name.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Sni {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The name, with one `*` at its start or end at most.
    #[field(unique, unique_across_ws, is = wildcard_host)]
    pub name: String,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// The certificate to present.
    pub certificate: Foreign<Certificate>,
}

impl Named for Sni {
    const NAME: &'static str = "snis";
}

pub(crate) fn entity() -> Entity {
    Entity { endpoint_key: Some("name"), workspaceable: true, ..Entity::of::<Sni>("snis") }
}
