//! The audit log's requests.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A request to the Admin API.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct AuditRequest {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Id of the request.
    pub request_id: String,
    /// When, seconds since 1970.
    pub request_timestamp: i64,
    /// Address of the client.
    pub client_ip: Option<String>,
    /// Method.
    pub method: String,
    /// Path as sent, with the query.
    pub path: String,
    /// Status of the answer.
    pub status: i64,
    /// Body as text, without what is excluded.
    #[field(len_min(0))]
    pub payload: Option<String>,
    /// Names of what was taken out of the body.
    pub removed_from_payload: Option<String>,
    /// Who, by id.
    pub rbac_user_id: Option<String>,
    /// Who, by name.
    pub rbac_user_name: Option<String>,
    /// Id of the workspace.
    pub workspace: Option<String>,
    /// Program that sent it, where known.
    pub request_source: Option<String>,
    /// Signature of the entry.
    pub signature: Option<String>,
}

impl Named for AuditRequest {
    const NAME: &'static str = "audit_requests";
}

pub(crate) fn entity() -> Entity {
    Entity { ttl: true, generate_admin_api: false, db_export: false, ..Entity::of::<AuditRequest>("audit_requests") }
}
