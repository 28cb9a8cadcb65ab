//! Names of the Admin API in people's words.

use serde_json::Value;

/// Words that are not written like others.
const NAMES: [(&str, &str); 37] = [
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
