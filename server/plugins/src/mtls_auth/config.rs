//! Options of `mtls-auth`.

use schema::Schema;
use serde::Deserialize;
use uuid::Uuid;

/// Options of `mtls-auth`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// What of a Consumer may be a certificate's name, besides the names in its `mtls_auth_credentials`.
    #[field(default(["custom_id", "username"]), elements(one_of("username", "custom_id")))]
    pub consumer_by: Option<Vec<String>>,
    /// Ids of the CA certificates that may vouch for clients.
    #[field(elements(uuid))]
    pub ca_certificates: Vec<Uuid>,
    /// For how long the outcome of a verification is remembered, in seconds.
    #[field(default = 60)]
    pub cache_ttl: f64,
    /// Whether whoever has a valid certificate may pass, as no Consumer.
    #[field(default = false)]
    pub skip_consumer_lookup: bool,
    /// Id or username of the Consumer for valid certificates that belong to none.
    pub default_consumer: Option<String>,
    /// Whether a CA certificate that is not a root may vouch without its own issuer.
    #[field(default = false)]
    pub allow_partial_chain: bool,
    /// What of the subject becomes the authenticated group where Consumers are not looked up: its common name, or all of it.
    #[field(default = "CN", one_of("CN", "DN"))]
    pub authenticated_group_by: String,
    /// Revocation is not checked, as if no authority could be reached: `STRICT` is not available.
    #[field(
        default = "IGNORE_CA_ERROR",
        one_of("SKIP", "IGNORE_CA_ERROR", "STRICT"),
        ne = "STRICT",
        err = "must be 'SKIP' or 'IGNORE_CA_ERROR': revocation is not checked"
    )]
    pub revocation_check_mode: String,
    /// Does not count: revocation is not checked.
    #[field(default = 30000)]
    pub http_timeout: f64,
    /// Does not count: revocation is not checked.
    #[field(default = 60000)]
    pub cert_cache_ttl: f64,
    /// Does not count: revocation is not checked.
    #[field(is = schema::typedefs::host)]
    pub http_proxy_host: Option<String>,
    /// Does not count: revocation is not checked.
    #[field(is = schema::typedefs::port)]
    pub http_proxy_port: Option<u16>,
    /// Does not count: revocation is not checked.
    #[field(is = schema::typedefs::host)]
    pub https_proxy_host: Option<String>,
    /// Does not count: revocation is not checked.
    #[field(is = schema::typedefs::port)]
    pub https_proxy_port: Option<u16>,
    /// Not available: must be `false`.
    #[field(default = false, eq = false, err = "sending the names of authorities is not available")]
    pub send_ca_dn: bool,
}
