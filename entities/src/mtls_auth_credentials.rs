//! Names in clients' certificates that stand for Consumers.

use crate::{CaCertificate, Consumer, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name in a certificate, and whose it is.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct MtlsAuthCredential {
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
    /// An alternative name of the certificate, or the common name of one that has none.
    #[field(required = true, unique)]
    pub subject_name: String,
    /// The authority that must have vouched for the certificate; without it, any that the plugin trusts.
    #[field(is = cascade, required = false)]
    pub ca_certificate: Option<Foreign<CaCertificate>>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for MtlsAuthCredential {
    const NAME: &'static str = "mtls_auth_credentials";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("subject_name"),
        cache_key: &["subject_name"],
        workspaceable: true,
        admin_api_name: Some("mtls-auths"),
        admin_api_nested_name: Some("mtls-auth"),
        plugin: Some("mtls-auth"),
        ..Entity::of::<MtlsAuthCredential>("mtls_auth_credentials")
    }
}
