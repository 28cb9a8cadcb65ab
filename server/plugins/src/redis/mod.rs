//! The `redis` record of plugins that use a Redis server.

mod extended;

pub use extended::ExtendedRedis;

use exchange::Services;
use exchange::redis::{RedisAddress, RedisServer, RedisTls};
use schema::{Check, Field, FieldType, Record, Shorthand, typedefs};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The connection to a Redis server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Redis {
    /// Host name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Time-out of operations in ms.
    pub timeout: Option<u32>,
    /// User.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database.
    pub database: Option<i64>,
    /// Whether to use TLS.
    pub ssl: Option<bool>,
    /// Whether to verify the certificate.
    pub ssl_verify: Option<bool>,
    /// Name to ask for and to verify with TLS.
    pub server_name: Option<String>,
}

impl FieldType for Redis {
    fn field() -> Field {
        Field::record("", typedefs::redis())
    }
}

/// The flat names that Redis options had before 3.6.
pub(crate) fn shorthands(record: Record, plugin: &str) -> Record {
    let fields = [
        ("host", Field::string("redis_host")),
        ("port", Field::integer("redis_port")),
        ("password", Field::string("redis_password").len_min(0)),
        ("username", Field::string("redis_username")),
        ("ssl", Field::boolean("redis_ssl")),
        ("ssl_verify", Field::boolean("redis_ssl_verify")),
        ("server_name", Field::string("redis_server_name")),
        ("timeout", Field::integer("redis_timeout")),
        ("database", Field::integer("redis_database")),
    ];
    fields.into_iter().fold(record, |record, (name, field)| {
        let message = format!("{plugin}: config.redis_{name} is deprecated, please use config.redis.{name} instead");
        record.shorthand(Shorthand::renamed(field, &format!("redis.{name}"), message))
    })
}

/// With policy redis there must be a server.
pub(crate) fn checks() -> [Check; 3] {
    ["host", "port", "timeout"].map(|name| {
        let then = format!("config.redis.{name}");
        Check::conditional("config.policy", |policy| policy.eq("redis"), then, |field| field.required(true))
    })
}

/// The server at an address that `config.redis` gives.
fn server(address: &RedisAddress, services: &Services) -> Result<Arc<dyn RedisServer>, String> {
    services.redis.server(address).map_err(|error| format!("config.redis: {error}"))
}

impl Redis {
    /// The server, for a configuration with policy redis. The sentence says what keeps it from being one.
    pub(crate) fn server(&self, services: &Services) -> Result<Arc<dyn RedisServer>, String> {
        server(&self.address().ok_or("policy redis needs config.redis.host")?, services)
    }

    /// Where the server is; `None` without a host.
    pub fn address(&self) -> Option<RedisAddress> {
        let tls = self
            .ssl
            .unwrap_or(false)
            .then(|| RedisTls { verify: self.ssl_verify.unwrap_or(false), server_name: self.server_name.clone() });
        Some(RedisAddress {
            host: self.host.clone()?,
            port: self.port.unwrap_or(6379),
            username: self.username.clone(),
            password: self.password.clone(),
            database: self.database.unwrap_or(0),
            tls,
            timeout: Duration::from_millis(self.timeout.unwrap_or(2000).into()),
            connect_timeout: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_of_options() {
        let address = |options| serde_json::from_value::<Redis>(options).expect("options").address();
        assert_eq!(address(json!({ "port": 1 })), None);
        let plain = RedisAddress {
            host: "r".into(),
            port: 6379,
            username: None,
            password: None,
            database: 0,
            tls: None,
            timeout: Duration::from_secs(2),
            connect_timeout: None,
        };
        assert_eq!(address(json!({ "host": "r", "ssl_verify": true, "server_name": "unused" })), Some(plain.clone()));
        let options = json!({
            "host": "r", "port": 7000, "username": "u", "password": "p", "database": 3, "timeout": 150, "ssl": true,
            "server_name": "n",
        });
        let full = RedisAddress {
            port: 7000,
            username: Some("u".into()),
            password: Some("p".into()),
            database: 3,
            tls: Some(RedisTls { verify: false, server_name: Some("n".into()) }),
            timeout: Duration::from_millis(150),
            ..plain
        };
        assert_eq!(address(options), Some(full));
    }
}
