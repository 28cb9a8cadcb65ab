//! Names of the Admin API in people's words.

use serde_json::Value;

use super::field::{Field, Kind, find};
use super::path::{Path, Step};

/// Words that are not written like others.
const NAMES: [(&str, &str); 39] = [
    ("acl", "ACL"),
    ("ai", "AI"),
    ("api", "API"),
    ("aws", "AWS"),
    ("ca", "CA"),
    ("cors", "CORS"),
    ("db", "database"),
    ("dns", "DNS"),
    ("grpc", "gRPC"),
    ("hmac", "HMAC"),
    ("http", "HTTP"),
    ("https", "HTTPS"),
    ("http2", "HTTP/2"),
    ("id", "ID"),
    ("ids", "IDs"),
    ("ip", "IP"),
    ("ips", "IPs"),
    ("jwk", "JWK"),
    ("jwt", "JWT"),
    ("kid", "key ID"),
    ("ldap", "LDAP"),
    ("llm", "LLM"),
    ("oauth2", "OAuth 2.0"),
    ("rbac", "RBAC"),
    ("san", "SAN"),
    ("sha256", "SHA-256"),
    ("sni", "SNI"),
    ("snis", "SNIs"),
    ("ssl", "SSL"),
    ("sans", "SANs"),
    ("tcp", "TCP"),
    ("tls", "TLS"),
    ("ttl", "TTL"),
    ("udp", "UDP"),
    ("uri", "URI"),
    ("uris", "URIs"),
    ("url", "URL"),
    ("utf8", "UTF-8"),
    ("uuid", "UUID"),
];

/// `key_in_header` as "Key in header", `ca_certificates` as "CA certificates"; where the language of the page has a word for it,
/// that.
pub fn label(name: &str) -> String {
    if let Some(known) = crate::texts::member(name) {
        return known.to_owned();
    }
    let words: Vec<&str> = name
        .split(['_', '-', ' '])
        .filter(|word| !word.is_empty())
        .map(|word| NAMES.iter().find(|(raw, _)| *raw == word).map_or(word, |(_, known)| known))
        .collect();
    let text = words.join(" ");
    let mut characters = text.chars();
    match characters.next() {
        // gRPC keeps its small letter.
        Some(first) if !text.starts_with("gRPC") => first.to_uppercase().chain(characters).collect(),
        _ => text,
    }
}

/// The way to a field, by the names its controls have; keys of maps as they are.
pub fn way(path: &Path, fields: &[Field]) -> String {
    let (mut members, mut inner) = (fields, None::<&Field>);
    let mut names = Vec::new();
    for step in path.steps() {
        let (name, field) = match (step, inner) {
            (Step::Index(index), _) => ((index + 1).to_string(), inner),
            (Step::Key(key), Some(_)) => (key.clone(), inner),
            (Step::Key(key), None) => (label(key), find(members, key)),
        };
        names.push(name);
        (members, inner) = match field.map(|field| &field.kind) {
            Some(Kind::Record(fields)) => (fields.as_slice(), None),
            Some(Kind::List(of) | Kind::Map(of)) => (&[][..], Some(&**of)),
            _ => (&[][..], None),
        };
    }
    names.join(" › ")
}

/// A value as one reads it: text without quotes, lists with commas, nothing for null.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(elements) => elements.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Seconds since 1970 as `2026-11-21 05:04:10 UTC`; none when it is no number or before 1970.
pub fn when(seconds: &str) -> Option<String> {
    let seconds = seconds.split('.').next()?.parse::<u64>().ok()?;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar, counted from 1 March 0000.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"))
}

/// A span of seconds as people say it: how many of the greatest unit that is in it, negative for the past.
pub fn distance(seconds: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 5] =
        [(31_556_952.0, "year"), (2_629_746.0, "month"), (86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")];
    let greatest = UNITS.into_iter().find(|(length, _)| seconds.abs() >= *length);
    let (length, unit) = greatest.unwrap_or((1.0, "second"));
    ((seconds / length).trunc(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        for (seconds, expected) in [
            ("0", "1970-01-01 00:00:00 UTC"),
            ("951782399", "2000-02-28 23:59:59 UTC"),
            ("951782400", "2000-02-29 00:00:00 UTC"),
            ("1795237450.123", "2026-11-21 05:04:10 UTC"),
        ] {
            assert_eq!(when(seconds).as_deref(), Some(expected));
        }
        assert_eq!(when("soon"), None);
    }

    #[test]
    fn ways_keep_the_keys_of_maps() {
        let fields = crate::form::fields(&serde_json::json!({"fields": [
            {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "array", "elements": {"type": "string"}}}},
            {"config": {"type": "record", "fields": [
                {"limits": {"type": "map", "keys": {"type": "string"}, "values": {"type": "record", "fields": [{"read_ahead": {"type": "integer"}}]}}},
                {"ca_list": {"type": "array", "elements": {"type": "record", "fields": [{"key_ops": {"type": "string"}}]}}},
            ]}},
        ]}));
        let root = Path::default();
        for (path, expected) in [
            (root.key("headers"), "Headers"),
            (root.key("headers").key("x-key_ops"), "Headers › x-key_ops"),
            (root.key("headers").key("x-a").index(1), "Headers › x-a › 2"),
            (root.key("config").key("limits").key("a-b").key("read_ahead"), "Config › Limits › a-b › Read ahead"),
            (root.key("config").key("ca_list").index(0).key("key_ops"), "Config › CA list › 1 › Key ops"),
            (root.key("not_described").key("key_ops"), "Not described › Key ops"),
        ] {
            assert_eq!(way(&path, &fields), expected);
        }
    }

    #[test]
    fn distances_have_the_greatest_unit() {
        for (seconds, expected) in [
            (0.4, (0.0, "second")),
            (-59.0, (-59.0, "second")),
            (119.0, (1.0, "minute")),
            (-7_200.0, (-2.0, "hour")),
            (2_600_000.0, (30.0, "day")),
            (-2_700_000.0, (-1.0, "month")),
            (63_200_000.0, (2.0, "year")),
        ] {
            assert_eq!(distance(seconds), expected);
        }
    }

    #[test]
    fn names_read_well() {
        for (name, expected) in [
            ("key_in_header", "Key in header"),
            ("ca_certificates", "CA certificates"),
            ("connect_timeout", "Connect timeout"),
            ("http_statuses", "HTTP statuses"),
            ("grpc", "gRPC"),
            ("tls_verify_depth", "TLS verify depth"),
            ("id", "ID"),
            ("key-auth", "Key auth"),
            ("", ""),
        ] {
            assert_eq!(label(name), expected);
        }
    }
}
