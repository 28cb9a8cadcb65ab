//! Data planes, as a control plane knows them.

use crate::Entity;
use indexmap::IndexMap;
use schema::{Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A data plane.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ClusteringDataPlane {
    /// Unique identifier.
    #[field(is = id, required)]
    pub id: Uuid,
    /// When it was last heard of, seconds since 1970.
    #[field(timestamp, auto = elsewhere)]
    pub last_seen: Option<i64>,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// IP address.
    #[field(is = ip)]
    pub ip: String,
    /// Hash of its configuration.
    #[field(len_eq(32))]
    pub config_hash: Option<String>,
    /// Host name.
    #[field(is = host)]
    pub hostname: String,
    /// Its version.
    #[field(match_none("%.%.", "must not have empty version segments"), match_any(["^%d+[%.%d]*$", "^%d+[%.%d]*%-?.*$"], "invalid version number: must be in format of X.Y.Z"))]
    pub version: Option<String>,
    /// Whether it gets the configuration.
    #[field(
        default = "unknown",
        one_of(
            "unknown",
            "normal",
            "kong_version_incompatible",
            "plugin_set_incompatible",
            "plugin_version_incompatible",
            "filter_set_incompatible"
        )
    )]
    pub sync_status: String,
    /// Labels.
    pub labels: Option<IndexMap<String, String>>,
    /// Its certificate.
    pub cert_details: CertDetails,
    /// What it understands.
    pub rpc_capabilities: Option<Set<String>>,
}

/// What is known of a data plane's certificate.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct CertDetails {
    /// When the certificate ends, seconds since 1970.
    #[field(required = false, timestamp)]
    pub expiry_timestamp: Option<f64>,
}

impl Named for ClusteringDataPlane {
    const NAME: &'static str = "clustering_data_planes";
}

pub(crate) fn entity() -> Entity {
    Entity {
        ttl: true,
        admin_api_name: Some("clustering/data-planes"),
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<ClusteringDataPlane>("clustering_data_planes")
    }
}
