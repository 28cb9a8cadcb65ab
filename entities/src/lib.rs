//! What is stored: one file per entity, each with its typed struct and its [`Entity`] definition, and
//! [`Definitions`], which turns requests' JSON into what is stored.
//!
//! Pure: nothing here reads a socket or a database, and the clock only to tell whether a CA certificate has expired.

mod acls;
mod acme_storage;
mod basicauth_credentials;
mod ca_certificates;
mod certificates;
mod clustering_data_planes;
mod consumer_group_consumers;
mod consumer_groups;
mod consumers;
pub mod crypto;
mod definitions;
mod entity;
pub mod examples;
mod filter_chains;
mod hmacauth_credentials;
mod ids;
mod jwk;
mod jwt_secrets;
mod key_sets;
mod keyauth_credentials;
mod keys;
mod oauth2_authorization_codes;
mod oauth2_credentials;
mod oauth2_tokens;
mod parameters;
mod plugin_schema;
mod plugins;
mod ratelimiting_metrics;
pub mod regex;
mod routes;
mod services;
mod sessions;
mod snis;
mod tags;
mod targets;
mod token;
mod upstreams;
mod vaults;
mod workspaces;

pub use acls::Acl;
pub use acme_storage::AcmeStorage;
pub use basicauth_credentials::BasicauthCredential;
pub use ca_certificates::CaCertificate;
pub use certificates::Certificate;
pub use clustering_data_planes::ClusteringDataPlane;
pub use consumer_group_consumers::ConsumerGroupConsumer;
pub use consumer_groups::ConsumerGroup;
pub use consumers::Consumer;
pub use definitions::{Definitions, Fault};
pub use entity::Entity;
pub use filter_chains::{Filter, FilterChain};
pub use hmacauth_credentials::HmacauthCredential;
pub use ids::{DEFAULT_WORKSPACE, deterministic_id};
pub use jwt_secrets::JwtSecret;
pub use key_sets::KeySet;
pub use keyauth_credentials::KeyauthCredential;
pub use keys::{Key, Pem};
pub use oauth2_authorization_codes::Oauth2AuthorizationCode;
pub use oauth2_credentials::Oauth2Credential;
pub use oauth2_tokens::Oauth2Token;
pub use parameters::Parameter;
pub use plugin_schema::{PluginSchema, PluginSchemas, Scopes, VaultSchema, VaultSchemas};
pub use plugins::Plugin;
pub use ratelimiting_metrics::RatelimitingMetric;
pub use router::Flavor;
pub use routes::{Route, RoutePeer};
pub use schema::{Errors, Foreign, Set};
pub use services::Service;
pub use sessions::Session;
pub use snis::Sni;
pub use tags::Tag;
pub use targets::Target;
pub use token::{random_token, random_uuid};
pub use upstreams::{
    ActiveHealth, ActiveHealthy, ActiveUnhealthy, Healthchecks, PassiveHealth, PassiveHealthy, PassiveUnhealthy,
    Upstream,
};
pub use vaults::Vault;
pub use workspaces::Workspace;
