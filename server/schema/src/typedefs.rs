//! Common fields with Kong's validators and messages: `#[field(is = host)]`.
//!
//! Each takes a field and gives it back with rules on it.

use crate::{Auto, Field, OnDelete, Record, address::Address, address::is_ip_or_cidr};

/// Protocols of routes and plugins, in the order in which they are listed.
pub const PROTOCOLS: [&str; 8] = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];
/// Protocols of the HTTP proxy.
pub const HTTP_PROTOCOLS: [&str; 4] = ["grpc", "grpcs", "http", "https"];

/// Primary key.
pub fn id(field: Field) -> Field {
    field.optional().uuid(true).auto(Auto::Uuid)
}

/// A UUID.
pub fn uuid(field: Field) -> Field {
    field.uuid(true)
}

/// Time of creation.
pub fn created_at(field: Field) -> Field {
    field.optional().timestamp(true).auto(Auto::Created)
}

/// Time of the last write.
pub fn updated_at(field: Field) -> Field {
    field.optional().timestamp(true).auto(Auto::Updated)
}

/// A port number.
pub fn port(field: Field) -> Field {
    field.between(0, 65535)
}

/// A time-out in ms, at least 1.
pub fn timeout(field: Field) -> Field {
    field.between(1, 2_147_483_646)
}

/// A host name or IP address without port.
pub fn host(field: Field) -> Field {
    field.validate(|text: &str| match Address::parse(text) {
        Ok(address) if address.port.is_none() => Ok(()),
        Ok(_) => Err("must not have a port".to_owned()),
        Err(error) if error == "invalid port number" => Err("must not have a port".to_owned()),
        Err(_) => Err(format!("invalid value: {text}")),
    })
}

/// A host name or IP address with optional port.
pub fn host_with_optional_port(field: Field) -> Field {
    field.validate(|text: &str| Address::parse(text).map(|_| ()))
}

/// A host name or IP address with optional port, of which the first or the last label may be `*`.
pub fn host_with_wildcard(field: Field) -> Field {
    field
        .match_all("^[^*]*%*?[^*]*$", "invalid wildcard: must have at most one wildcard")
        .match_any(["^%*%.", "%.%*$", "^[^*]*$"], "invalid wildcard: must be placed at leftmost or rightmost label")
        .validate(|text: &str| Address::parse(&text.replace('*', "wildcard")).map(|_| ()))
}

/// A host name for TLS.
pub fn sni(field: Field) -> Field {
    field.validate(check_sni)
}

fn check_sni(text: &str) -> Result<(), String> {
    match Address::parse(text) {
        Ok(address) if address.is_ip() => Err("must not be an IP".to_owned()),
        Ok(address) if address.port.is_some() => Err("must not have a port".to_owned()),
        Ok(_) => Ok(()),
        Err(error) if error == "invalid port number" => Err("must not have a port".to_owned()),
        Err(_) => Err(format!("invalid value: {text}")),
    }
}

/// A host name for TLS, with at most one `*` at its start or end.
pub fn wildcard_host(field: Field) -> Field {
    field.validate(|text: &str| {
        let stars = text.bytes().filter(|b| *b == b'*').count();
        if stars > 1 {
            return Err("only one wildcard must be specified".to_owned());
        }
        if stars == 1 {
            if !text.starts_with('*') && !text.ends_with('*') {
                return Err("wildcard must be leftmost or rightmost character".to_owned());
            }
            return check_sni(&text.replace('*', "wildcard"))
                .map_err(|e| if e.starts_with("invalid value") { format!("invalid value: {text}") } else { e });
        }
        check_sni(text)
    })
}

/// An IP address.
pub fn ip(field: Field) -> Field {
    field.validate(|text: &str| match text.parse::<std::net::IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("not an ip address: {text}")),
    })
}

/// An IP address or CIDR range.
pub fn ip_or_cidr(field: Field) -> Field {
    field.validate(
        |text: &str| {
            if is_ip_or_cidr(text) { Ok(()) } else { Err(format!("invalid ip or cidr range: '{text}'")) }
        },
    )
}

/// A path: starts with `/`, no empty segment, characters and escapes of RFC 3986.
pub fn path(field: Field) -> Field {
    field.starts_with("/").match_none("//", "must not have empty segments").validate(check_path)
}

fn check_path(text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%:@!$&'()*+,;=".contains(&b);
    if !text.bytes().all(allowed) {
        return Err(format!("invalid path: '{text}' (characters outside of the reserved list of RFC 3986 found)"));
    }
    check_percent(text)
}

/// Every `%` must be followed by two hexadecimal digits.
pub fn check_percent(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    for (index, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'%') {
        let digits = bytes.get(index + 1..index + 3);
        if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
            let bad: String = text[index..].chars().take(3).collect();
            return Err(format!("invalid url-encoded value: '{bad}'"));
        }
    }
    Ok(())
}

/// A header's name.
pub fn header_name(field: Field) -> Field {
    field.validate(check_header_name)
}

fn check_header_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("no header name provided".to_owned());
    }
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Ok(());
    }
    Err(format!("bad header name '{text}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"))
}

/// A cookie's name: an HTTP token (RFC 9110 §5.6.2).
pub fn cookie_name(field: Field) -> Field {
    field.validate(|text: &str| {
        if text.is_empty() {
            return Err("no token provided".to_owned());
        }
        let refused = |b: u8| b <= 32 || b == 127 || b"()<>@,;:\\\"/?={}[]".contains(&b);
        if text.bytes().any(refused) {
            return Err("contains one or more invalid characters. ASCII control characters (0-31;127), space, tab \
                        and the characters ()<>@,;:\\\"/?={}[] are not allowed."
                .to_owned());
        }
        Ok(())
    })
}

/// An absolute URL with scheme and host.
pub fn url(field: Field) -> Field {
    field.validate(check_url)
}

fn check_url(text: &str) -> Result<(), String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => match text.strip_prefix("//") {
            Some(rest) => ("", Some(rest)),
            None => ("", None),
        },
    };
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
    let host = authority.map(|a| a.rsplit_once('@').map_or(a, |(_, host)| host));
    match host {
        None | Some("") => Err("missing host in url".to_owned()),
        Some(host) if host.starts_with(':') => Err("missing host in url".to_owned()),
        Some(_) if scheme.is_empty() => Err("missing scheme in url".to_owned()),
        Some(_) => Ok(()),
    }
}

/// A name of an entity: letters, digits, `.-_~` and anything beyond ASCII.
pub fn utf8_name(field: Field) -> Field {
    field.validate(|text: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_~".contains(&b) || (128..=244).contains(&b);
        if text.bytes().all(allowed) {
            return Ok(());
        }
        Err(format!("invalid value '{text}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"))
    })
}

/// A tag: printable characters except comma and slash.
pub fn tag(field: Field) -> Field {
    field.validate(|text: &str| {
        let allowed = |b: u8| ((32..127).contains(&b) && b != b',' && b != b'/') || (128..=244).contains(&b);
        if text.bytes().all(allowed) {
            return Ok(());
        }
        Err(format!("invalid tag '{text}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"))
    })
}

/// A set of tags.
pub fn tags(field: Field) -> Field {
    field.elements(|element| tag(element.required(true)))
}

/// A protocol.
pub fn protocol(field: Field) -> Field {
    field.one_of(PROTOCOLS)
}

/// A set of protocols of which only the HTTP ones are allowed, all by default.
pub fn http_protocols(field: Field) -> Field {
    field.required(true).default(HTTP_PROTOCOLS.to_vec()).elements(|element| element.one_of(HTTP_PROTOCOLS))
}

/// A set of protocols, the HTTP ones by default.
pub fn protocols(field: Field) -> Field {
    field.required(true).default(HTTP_PROTOCOLS.to_vec()).elements(|element| element.one_of(PROTOCOLS))
}

/// A foreign key whose owner's deletion deletes this.
pub fn cascade(field: Field) -> Field {
    field.on_delete(OnDelete::Cascade)
}

/// A foreign key that must be null: the plugin cannot be put there.
pub fn nowhere(field: Field) -> Field {
    field.eq(serde_json::Value::Null)
}

/// A record with the connection to a Redis server, as every plugin that counts there has it.
pub fn redis() -> Record {
    Record::new()
        .field(Field::string("host").is(host).help("Host name or IP address of the Redis server."))
        .field(Field::integer("port").is(port).default(6379).help("Port of the Redis server."))
        .field(Field::integer("timeout").between(0, 2_147_483_646).default(2000).help("Time-out of operations in ms."))
        .field(Field::string("username").referenceable(true).help("User for Redis 6 or later."))
        .field(Field::string("password").referenceable(true).encrypted(true).len_min(0).help("Password of the user."))
        .field(Field::integer("database").default(0).help("Number of the database."))
        .field(Field::boolean("ssl").required(false).default(false).help("Whether to use TLS."))
        .field(Field::boolean("ssl_verify").required(false).default(false).help("Whether to verify the certificate."))
        .field(Field::string("server_name").required(false).is(sni).help("Name to ask for and to verify with TLS."))
}
