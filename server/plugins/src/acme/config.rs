//! Options of `acme`.

use crate::proxy_cache::DICTIONARIES;
use crate::redis::Redis;
use schema::{Check, Field, FieldType, Map, Record, Schema, Shorthand, Value, typedefs};
use serde::Deserialize;

/// Options of `acme`.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct Config {
    /// Mail address of the account at the certificate authority.
    #[field(match = "%w*%p*@+%w*%.?%w*", referenceable, encrypted)]
    pub account_email: String,
    /// A key of this node's `keys` that the account uses, instead of one that is made for it.
    #[field(required = false)]
    pub account_key: Option<AccountKey>,
    /// The directory of the certificate authority.
    #[field(default = "https://acme-v02.api.letsencrypt.org/directory", is = url)]
    pub api_uri: Option<String>,
    /// Whether the authority's terms of service are accepted.
    #[field(default = false)]
    pub tos_accepted: Option<bool>,
    /// Key identifier of an external account binding.
    #[field(referenceable, encrypted)]
    pub eab_kid: Option<String>,
    /// Key of an external account binding, base64url.
    #[field(referenceable, encrypted)]
    pub eab_hmac_key: Option<String>,
    /// Which kind of key certificates have.
    #[field(default = "rsa")]
    pub cert_type: Option<CertType>,
    /// Bits of RSA keys.
    #[field(default = 4096, one_of(2048, 3072, 4096))]
    pub rsa_key_size: Option<f64>,
    /// Certificates that are valid for fewer days are renewed.
    #[field(default = 14)]
    pub renew_threshold_days: Option<f64>,
    /// Domains that certificates are ordered for; the first or the last label may be `*`.
    #[field(elements(is = host_with_wildcard))]
    pub domains: Option<Vec<String>>,
    /// Whether certificates are ordered for any domain that clients ask for.
    #[field(default = false)]
    pub allow_any_domain: Option<bool>,
    /// For how long a domain is left alone after an order failed, in minutes.
    #[field(default = 5)]
    pub fail_backoff_minutes: Option<f64>,
    /// Where challenges, accounts and certificates are kept.
    #[field(default = "shm")]
    pub storage: Option<Storage>,
    /// Options of the storages.
    pub storage_config: StorageConfig,
    /// Name of the authority that the chain of certificates should end with.
    pub preferred_chain: Option<String>,
    /// Whether certificates are ordered for IPv4 addresses.
    #[field(default = true)]
    pub enable_ipv4_common_name: Option<bool>,
}

/// A key of this node's `keys`.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct AccountKey {
    /// Its `kid`.
    pub key_id: String,
    /// Name of the key set it is in.
    pub key_set: Option<String>,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum CertType {
    /// RSA, of `rsa_key_size` bits.
    Rsa,
    /// ECDSA on P-256.
    Ecc,
}

/// Where things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In the database.
    Kong,
    /// In this node's memory.
    Shm,
    /// On a Redis server.
    Redis,
    /// In Consul; refused.
    Consul,
    /// In HashiCorp Vault; refused.
    Vault,
}

/// Options of the storages.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct StorageConfig {
    /// Of `shm`.
    pub shm: Shm,
    /// Of `kong`.
    pub kong: Nothing,
    /// Of `redis`.
    pub redis: RedisStorage,
    /// Of `consul`.
    pub consul: Consul,
    /// Of `vault`.
    pub vault: Vault,
}

/// Options of storage `shm`.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct Shm {
    /// The shared memory to use; here all of them are one.
    #[field(default = "kong", validate = dictionary)]
    pub shm_name: Option<String>,
}

/// No options.
#[derive(Clone, Debug, Deserialize)]
pub struct Nothing {}

impl FieldType for Nothing {
    fn field() -> Field {
        Field::record("", Record::new())
    }
}

/// Options of storage `redis`.
#[derive(Clone, Debug, Deserialize)]
pub struct RedisStorage {
    /// The server.
    #[serde(flatten)]
    pub server: Redis,
    /// What is particular to this plugin.
    pub extra_options: ExtraOptions,
}

/// Options of storage `redis` that are particular to this plugin.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct ExtraOptions {
    /// What all keys begin with.
    #[field(default = "", len_min = 0, validate = namespace)]
    pub namespace: String,
    /// How many keys are asked for at once when they are listed.
    #[field(required = false, default = 10)]
    pub scan_count: Option<f64>,
}

impl FieldType for RedisStorage {
    fn field() -> Field {
        let renamed = |field: Field, target: &str| {
            let name = field.name().to_owned();
            let message = format!(
                "acme: config.storage_config.redis.{name} is deprecated, please use \
                 config.storage_config.redis.{target} instead"
            );
            Shorthand::renamed(field, target, message)
        };
        let record = typedefs::redis()
            .field(Field::record("extra_options", ExtraOptions::record()).required(true))
            .shorthand(renamed(Field::string("auth").len_min(0), "password"))
            .shorthand(renamed(Field::string("ssl_server_name"), "server_name"))
            .shorthand(renamed(Field::string("namespace").len_min(0), "extra_options.namespace"))
            .shorthand(renamed(Field::integer("scan_count"), "extra_options.scan_count"));
        Field::record("", record)
    }
}

/// Options of storage `consul`, which is refused.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct Consul {
    /// Whether to use TLS.
    #[field(default = false)]
    pub https: Option<bool>,
    /// Host name or address.
    #[field(is = host)]
    pub host: Option<String>,
    /// Port.
    #[field(is = port)]
    pub port: Option<u16>,
    /// What keys begin with.
    pub kv_path: Option<String>,
    /// Time-out in ms.
    pub timeout: Option<f64>,
    /// Token.
    #[field(referenceable)]
    pub token: Option<String>,
}

/// Options of storage `vault`, which is refused.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct Vault {
    /// Whether to use TLS.
    #[field(default = false)]
    pub https: Option<bool>,
    /// Host name or address.
    #[field(is = host)]
    pub host: Option<String>,
    /// Port.
    #[field(is = port)]
    pub port: Option<u16>,
    /// What keys begin with.
    pub kv_path: Option<String>,
    /// Time-out in ms.
    pub timeout: Option<f64>,
    /// Token.
    #[field(referenceable)]
    pub token: Option<String>,
    /// Whether to verify the certificate.
    #[field(default = true)]
    pub tls_verify: Option<bool>,
    /// Name to ask for and to verify with TLS.
    pub tls_server_name: Option<String>,
    /// How to authenticate.
    #[field(default = "token", one_of("token", "kubernetes"))]
    pub auth_method: Option<String>,
    /// Path of the authentication.
    pub auth_path: Option<String>,
    /// Role of the authentication.
    pub auth_role: Option<String>,
    /// File of the service account's token.
    pub jwt_path: Option<String>,
}

/// What other entries of the storage begin with.
const RESERVED: [&str; 3] = ["kong_acme:renew_config:", "kong_acme:renew_last_run", "kong_acme:cert_key:"];

fn namespace(text: &str) -> Result<(), String> {
    match RESERVED.iter().find(|word| text.starts_with(**word)) {
        Some(word) => Err(format!("namespace can't be prefixed with reserved word: {word}")),
        None => Ok(()),
    }
}

fn dictionary(name: &str) -> Result<(), String> {
    match DICTIONARIES.contains(&name) {
        true => Ok(()),
        false => Err(format!("failed validating: {name}")),
    }
}

/// The checks that span several options.
pub(super) fn checks() -> [Check; 3] {
    let authority = ["https://acme-v02.api.letsencrypt.org", "https://acme-staging-v02.api.letsencrypt.org"];
    let redis = |name: &str| {
        let then = format!("config.storage_config.redis.{name}");
        Check::conditional("config.storage", |storage| storage.eq("redis"), then, |field| field.required(true))
    };
    [
        Check::conditional(
            "config.api_uri",
            |uri| uri.one_of(authority),
            "config.tos_accepted",
            |accepted| accepted.eq(true),
        )
        .then_err("terms of service must be accepted, see https://letsencrypt.org/repository/"),
        redis("host"),
        redis("port"),
    ]
}

/// Storages that a node with, or without, a database has.
pub(super) fn storages(database: bool) -> Check {
    Check::custom(["config.storage"], move |plugin: &Map<String, Value>| {
        let config = plugin.get("config").and_then(Value::as_object);
        match config.and_then(|config| config.get("storage")?.as_str()) {
            Some("kong") if !database => Err("\"kong\" storage can't be used with dbless mode".to_owned()),
            Some(name @ ("consul" | "vault")) => {
                Err(format!("\"{name}\" storage is not available in Silverback; use \"kong\", \"redis\" or \"shm\""))
            }
            _ => Ok(()),
        }
    })
}
