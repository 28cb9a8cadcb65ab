//! Services: where requests go.

use crate::{Certificate, Entity};
use schema::{Check, Field, Foreign, Map, Named, Schema, Set, Shorthand, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An upstream API or microservice.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    shorthand = Shorthand::computed(Field::string("url"), url),
    check = Check::conditional(
        "protocol", |f| f.one_of(["tcp", "tls", "udp", "grpc", "grpcs"]), "path", |f| f.eq(Value::Null)),
    check = only_with_tls("client_certificate"),
    check = only_with_tls("tls_verify"),
    check = only_with_tls("tls_verify_depth"),
    check = only_with_tls("ca_certificates"),
)]
// `id`, which every request reads, lies beside the count of references, which every request changes.
#[repr(C)]
pub struct Service {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// Unique name.
    #[field(unique, is = utf8_name)]
    pub name: Option<String>,
    /// How often to try again after a failed attempt.
    #[field(default = 5, between(0, 32767))]
    pub retries: Option<u32>,
    /// Protocol spoken to the upstream.
    #[field(default = "http", is = protocol)]
    pub protocol: String,
    /// Host name or IP address of the upstream server, or the name of an Upstream.
    #[field(is = host)]
    pub host: String,
    /// Port of the upstream server.
    #[field(default = 80, is = port)]
    pub port: u16,
    /// Path put before the request's path.
    #[field(is = path)]
    pub path: Option<String>,
    /// Time-out for connecting, in ms.
    #[field(default = 60000, is = timeout)]
    pub connect_timeout: Option<u32>,
    /// Time-out between two writes to the upstream, in ms.
    #[field(default = 60000, is = timeout)]
    pub write_timeout: Option<u32>,
    /// Time-out between two reads from the upstream, in ms.
    #[field(default = 60000, is = timeout)]
    pub read_timeout: Option<u32>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// Certificate to present to the upstream server.
    pub client_certificate: Option<Foreign<Certificate>>,
    /// Whether to verify the upstream server's certificate; the node's setting when null.
    pub tls_verify: Option<bool>,
    /// Depth of the upstream's certificate chain; the node's setting when null.
    #[field(default = null, between(0, 64))]
    pub tls_verify_depth: Option<u32>,
    /// CA certificates that the upstream's certificate must come from.
    pub ca_certificates: Option<Vec<Uuid>>,
    /// Whether its Routes are in the router.
    #[field(default = true)]
    pub enabled: bool,
}

impl Named for Service {
    const NAME: &'static str = "services";
}

fn only_with_tls(field: &str) -> Check {
    Check::conditional("protocol", |f| f.not_one_of(["https", "tls"]), field, |f| f.eq(Value::Null))
}

/// `url` stands for protocol, host, port and path.
fn url(value: &Value, _: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let text = value.as_str().unwrap_or("");
    let (scheme, authority, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (Some(scheme), Some(&rest[..end]), &rest[end..])
        }
        _ => match text.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                (None, Some(&rest[..end]), &rest[end..])
            }
            None => (None, None, text),
        },
    };
    let path = rest.split(['?', '#']).next().filter(|path| !path.is_empty());
    let address = authority.map(|authority| authority.rsplit_once('@').map_or(authority, |(_, address)| address));
    let (host, port) = match address {
        None => (None, None),
        Some(address) if address.starts_with('[') => match address.split_once(']') {
            Some((host, rest)) => (host.strip_prefix('[').map(str::to_owned), rest.strip_prefix(':')),
            None => (Some(address.to_owned()), None),
        },
        Some(address) => match address.split_once(':') {
            Some((host, port)) => (Some(host.to_owned()), Some(port)),
            None => (Some(address.to_owned()), None),
        },
    };
    let host = host.filter(|host| !host.is_empty());
    let port = port.and_then(|port| port.parse::<u32>().ok());
    let protocol = scheme.map_or(if port == Some(443) { "https" } else { "http" }, |scheme| scheme);
    let port = port.unwrap_or(if protocol == "https" { 443 } else { 80 });
    let mut fields = Map::new();
    fields.insert("protocol".to_owned(), protocol.into());
    fields.insert("host".to_owned(), host.into());
    fields.insert("port".to_owned(), port.into());
    fields.insert("path".to_owned(), path.into());
    Ok(fields)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

pub(crate) fn entity() -> Entity {
    Entity { endpoint_key: Some("name"), workspaceable: true, ..Entity::of::<Service>("services") }
}
