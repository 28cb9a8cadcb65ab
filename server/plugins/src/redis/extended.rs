//! The `redis` record of Kong's enterprise plugins: one server; clusters of them and sentinels are refused by name.

use exchange::Services;
use exchange::redis::{RedisAddress, RedisServer, RedisTls};
use schema::{Deprecation, Field, FieldType, Map, Record, Shorthand, Value, typedefs};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The connection to a Redis server.
#[derive(Clone, Debug, Deserialize)]
pub struct ExtendedRedis {
    /// Host name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Whether something stands between that takes no `SELECT`.
    pub connection_is_proxied: Option<bool>,
    /// Time-out of connecting in ms.
    pub connect_timeout: Option<u32>,
    /// Time-out of sending a command in ms.
    pub send_timeout: Option<u32>,
    /// Time-out of its answer in ms.
    pub read_timeout: Option<u32>,
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

const SENTINELS: &str = "Redis Sentinel is not available in Silverback; name one server by host and port";
const CLUSTERS: &str = "Redis Cluster is not available in Silverback; name one server by host and port";
const BACKLOG: &str = "keepalive_backlog is not available in Silverback: no command waits for a connection, one carries \
                       them all; leave it out";

/// A field that may be there, and not be set.
fn refused(field: Field, why: &'static str) -> Field {
    let set = |value: &Value| !value.is_null();
    field.required(false).validate(move |value: &Value| if set(value) { Err(why.to_owned()) } else { Ok(()) })
}

fn milliseconds(name: &'static str) -> Field {
    Field::integer(name).between(0, 2_147_483_646).default(2000)
}

/// Nodes of a cluster, or sentinels: accepted by form, to be refused by name.
fn nodes(name: &'static str, host: &'static str, why: &'static str) -> Field {
    let node = Record::new()
        .field(Field::string(host).is(typedefs::host).default("127.0.0.1"))
        .field(Field::integer("port").is(typedefs::port).default(6379));
    refused(Field::array(name, Field::record("", node)), why)
}

impl FieldType for ExtendedRedis {
    fn field() -> Field {
        Field::record("", record())
    }
}

fn record() -> Record {
    let size = |name: &'static str, least: i32| Field::integer(name).between(least, 2_147_483_646);
    let no = "Not available: must not be set.";
    Record::new()
        .field(Field::string("host").is(typedefs::host).default("127.0.0.1").help("Host name or IP address."))
        .field(Field::integer("port").is(typedefs::port).default(6379).help("Port."))
        .field(
            Field::boolean("connection_is_proxied")
                .default(false)
                .help("Whether a proxy stands between that takes no `SELECT`; `database` does not count then."),
        )
        .field(milliseconds("connect_timeout").help("Time-out of connecting in ms."))
        .field(milliseconds("send_timeout").help("Time-out of sending a command in ms."))
        .field(milliseconds("read_timeout").help("Time-out of its answer in ms."))
        .field(Field::string("username").referenceable(true).help("User for Redis 6 or later."))
        .field(Field::string("password").referenceable(true).encrypted(true).len_min(0).help("Password of the user."))
        .field(refused(Field::string("sentinel_username").referenceable(true), SENTINELS).help(no))
        .field(refused(Field::string("sentinel_password").referenceable(true).encrypted(true), SENTINELS).help(no))
        .field(Field::integer("database").default(0).help("Number of the database."))
        .field(
            size("keepalive_pool_size", 1)
                .default(256)
                .help("At most so many connections. All commands go through one here, whatever this is."),
        )
        .field(refused(size("keepalive_backlog", 0), BACKLOG).help(no))
        .field(refused(Field::string("sentinel_master"), SENTINELS).help(no))
        .field(refused(Field::string("sentinel_role").one_of(["master", "slave", "any"]), SENTINELS).help(no))
        .field(nodes("sentinel_nodes", "host", SENTINELS).help(no))
        .field(nodes("cluster_nodes", "ip", CLUSTERS).help(no))
        .field(Field::boolean("ssl").required(false).default(false).help("Whether to use TLS."))
        .field(Field::boolean("ssl_verify").required(false).default(false).help("Whether to verify the certificate."))
        .field(
            Field::string("server_name")
                .required(false)
                .is(typedefs::sni)
                .help("Name to ask for and to verify with TLS."),
        )
        .field(
            Field::integer("cluster_max_redirections")
                .required(false)
                .default(5)
                .help("Counts with `cluster_nodes` only, which are not available."),
        )
        .shorthand(time_outs())
        .shorthand(addresses("sentinel_addresses", SENTINELS))
        .shorthand(addresses("cluster_addresses", CLUSTERS))
}

const TIME_OUTS: [&str; 3] = ["connect_timeout", "send_timeout", "read_timeout"];

/// `timeout`: all three of them.
fn time_outs() -> Shorthand {
    let deprecation = Deprecation {
        message: "redis schema field `timeout` is deprecated, use `connect_timeout`, `send_timeout` and `read_timeout`"
            .to_owned(),
        removal_in_version: "4.0".to_owned(),
        old_default: None,
        replaced_with: TIME_OUTS.map(str::to_owned).to_vec(),
    };
    Shorthand::computed(Field::integer("timeout").deprecation(deprecation), |value, _| {
        let given = |name: &str| (name.to_owned(), value.clone());
        Ok(if value.is_null() { Map::new() } else { TIME_OUTS.map(given).into_iter().collect() })
    })
}

/// An old name of nodes.
fn addresses(name: &'static str, why: &'static str) -> Shorthand {
    Shorthand::computed(refused(Field::array(name, Field::string("")), why), |_, _| Ok(Map::new()))
}

impl ExtendedRedis {
    /// The server. The sentence says what keeps it from being one.
    pub(crate) fn server(&self, services: &Services) -> Result<Arc<dyn RedisServer>, String> {
        super::server(&self.address(), services)
    }

    /// Where the server is.
    pub fn address(&self) -> RedisAddress {
        let milliseconds = |time: Option<u32>| Duration::from_millis(time.unwrap_or(2000).into());
        let (send, read) = (milliseconds(self.send_timeout), milliseconds(self.read_timeout));
        let tls = self
            .ssl
            .unwrap_or(false)
            .then(|| RedisTls { verify: self.ssl_verify.unwrap_or(false), server_name: self.server_name.clone() });
        RedisAddress {
            host: self.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: self.port.unwrap_or(6379),
            username: self.username.clone(),
            password: self.password.clone(),
            database: if self.connection_is_proxied == Some(true) { 0 } else { self.database.unwrap_or(0) },
            tls,
            // Zero is a default that is longer than any sum would be.
            timeout: if send.is_zero() || read.is_zero() { Duration::ZERO } else { send + read },
            connect_timeout: Some(milliseconds(self.connect_timeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::context;
    use serde_json::json;

    fn read(options: Value) -> Result<ExtendedRedis, String> {
        let Value::Object(options) = options else { panic!("an object") };
        let complete = record().insert(options, &context()).map_err(|errors| errors.to_string())?;
        Ok(serde_json::from_value(complete.into()).expect("complete options"))
    }

    #[test]
    fn addresses_of_options() {
        let address = |options| read(options).expect("options").address();
        let plain = RedisAddress {
            host: "127.0.0.1".into(),
            port: 6379,
            username: None,
            password: None,
            database: 0,
            tls: None,
            timeout: Duration::from_secs(4),
            connect_timeout: Some(Duration::from_secs(2)),
        };
        assert_eq!(address(json!({})), plain);
        assert_eq!(address(json!({ "database": 3 })).database, 3);
        assert_eq!(address(json!({ "database": 3, "connection_is_proxied": true })).database, 0);
        let timed = address(json!({ "timeout": 150 }));
        let milliseconds = Duration::from_millis;
        assert_eq!((timed.timeout, timed.connect_timeout), (milliseconds(300), Some(milliseconds(150))));
        assert!(address(json!({ "read_timeout": 0 })).timeout.is_zero());
        let tls = address(json!({ "ssl": true, "ssl_verify": true, "server_name": "n.test" })).tls;
        assert_eq!(tls, Some(RedisTls { verify: true, server_name: Some("n.test".into()) }));
    }

    #[test]
    fn what_is_not_available_is_refused_by_name() {
        for (options, text) in [
            (json!({ "sentinel_master": "m" }), "sentinel_master: Redis Sentinel is not available"),
            (json!({ "sentinel_role": "any" }), "sentinel_role: Redis Sentinel is not available"),
            (json!({ "sentinel_username": "u" }), "sentinel_username: Redis Sentinel is not available"),
            (json!({ "sentinel_password": "p" }), "sentinel_password: Redis Sentinel is not available"),
            (json!({ "sentinel_nodes": [{}] }), "sentinel_nodes: Redis Sentinel is not available"),
            (json!({ "sentinel_addresses": ["a:1"] }), "sentinel_addresses: Redis Sentinel is not available"),
            (json!({ "cluster_nodes": [{ "ip": "10.0.0.1" }] }), "cluster_nodes: Redis Cluster is not available"),
            (json!({ "cluster_addresses": ["a:1"] }), "cluster_addresses: Redis Cluster is not available"),
            (json!({ "keepalive_backlog": 5 }), "keepalive_backlog is not available"),
        ] {
            let refused = read(options.clone()).expect_err("refused");
            assert!(refused.contains(text), "{options}: {refused}");
        }
        assert!(read(json!({ "sentinel_master": null, "cluster_nodes": null })).is_ok());
    }
}
