//! Workspaces: name spaces of entities.

use crate::Entity;
use schema::{Field, Map, Named, Record, Schema, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name space.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Workspace {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Unique name.
    #[field(unique, not_one_of("workspaces", "consumers", "certificates", "services", "routes", "snis", "upstreams", "targets", "plugins", "tags", "ca_certificates", "clustering_data_planes", "parameters", "vaults", "key_sets", "keys", "filter_chains"), is = utf8_name)]
    pub name: String,
    /// What it is for.
    pub comment: Option<String>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// How the manager shows it.
    #[field(is = self::meta)]
    pub meta: Map<String, Value>,
    /// Settings.
    #[field(is = self::config)]
    pub config: Map<String, Value>,
}

impl Named for Workspace {
    const NAME: &'static str = "workspaces";
}

/// Looks of a workspace in the manager.
fn meta(field: Field) -> Field {
    let looks = Record::new().field(Field::string("color")).field(Field::string("thumbnail"));
    Field::record(field.name().to_owned(), looks).required(true).help(field.help_text().to_owned())
}

/// Settings of a developer portal: there is none, and what is set is kept.
fn config(field: Field) -> Field {
    const TEXTS: [&str; 8] = [
        "portal_auth",
        "portal_auth_conf",
        "portal_cors_origins",
        "portal_developer_meta_fields",
        "portal_emails_from",
        "portal_emails_reply_to",
        "portal_session_conf",
        "portal_smtp_admin_emails",
    ];
    const FLAGS: [&str; 6] = [
        "portal_access_request_email",
        "portal_approved_email",
        "portal_auto_approve",
        "portal_invite_email",
        "portal_reset_email",
        "portal_reset_success_email",
    ];
    let mut settings = Record::new()
        .field(Field::map("meta", Field::string(""), Field::any()))
        .field(Field::boolean("portal").default(false))
        .field(Field::boolean("portal_is_legacy"))
        .field(Field::integer("portal_token_exp"));
    settings = TEXTS.into_iter().fold(settings, |all, name| all.field(Field::string(name)));
    settings = FLAGS.into_iter().fold(settings, |all, name| all.field(Field::boolean(name)));
    Field::record(field.name().to_owned(), settings).required(true).help(field.help_text().to_owned())
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["name"],
        generate_admin_api: false,
        ..Entity::of::<Workspace>("workspaces")
    }
}
