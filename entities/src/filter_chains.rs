//! Filter chains: WebAssembly filters on Routes and Services.

use crate::{Entity, Route, Service};
use schema::{Check, Foreign, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Filters that run for a Route or a Service.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    check = Check::mutually_exclusive(["service", "route"]),
    check = Check::at_least_one_of(["service", "route"]),
    check = Check::custom(["filters"], |_| Err("wasm support is not enabled".to_owned())).run_with_invalid_fields(),
)]
pub struct FilterChain {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Unique name.
    #[field(unique, is = utf8_name)]
    pub name: Option<String>,
    /// Whether it runs.
    #[field(default = true)]
    pub enabled: bool,
    /// The Route it runs for.
    #[field(is = cascade, unique, default = null)]
    pub route: Option<Foreign<Route>>,
    /// The Service it runs for.
    #[field(is = cascade, unique, default = null)]
    pub service: Option<Foreign<Service>>,
    /// The filters in order.
    #[field(len_min(1))]
    pub filters: Vec<Filter>,
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
}

/// One filter.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Filter {
    /// Its name.
    #[field(one_of = Vec::<String>::new(), err = "no such filter")]
    pub name: String,
    /// Whether it runs.
    #[field(default = true)]
    pub enabled: bool,
    /// Its options.
    #[field(required = false, json_schema = schema::json!({
        "default": { "type": ["string", "null"], "$schema": "http://json-schema.org/draft-04/schema#" },
        "namespace": "proxy-wasm-filters",
        "optional": true,
        "parent_subschema_key": "name"
    }))]
    pub config: Option<Value>,
}

impl Named for FilterChain {
    const NAME: &'static str = "filter_chains";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["route", "service"],
        workspaceable: true,
        admin_api_name: Some("filter-chains"),
        ..Entity::of::<FilterChain>("filter_chains")
    }
}
