//! Which domains certificates are ordered for.

use super::Config;
use std::collections::HashSet;

/// Domains that certificates are ordered for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    any: bool,
    ipv4: bool,
    exact: HashSet<Box<str>>,
    /// What follows a leading `*`.
    suffixes: Vec<Box<str>>,
    /// What precedes a trailing `*`.
    prefixes: Vec<Box<str>>,
}

impl Domains {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let mut domains = Self {
            any: config.allow_any_domain == Some(true),
            ipv4: config.enable_ipv4_common_name != Some(false),
            ..Self::default()
        };
        for name in config.domains.iter().flatten() {
            let name = name.to_ascii_lowercase();
            if let Some(suffix) = name.strip_prefix('*') {
                domains.suffixes.push(suffix.into());
            } else if let Some(prefix) = name.strip_suffix('*') {
                domains.prefixes.push(prefix.into());
            } else {
                domains.exact.insert(name.into());
            }
        }
        domains
    }

    /// Whether a host, in lower case and without port, is one of them.
    pub fn contains(&self, host: &str) -> bool {
        if host.is_empty() || (!self.ipv4 && host.parse::<std::net::Ipv4Addr>().is_ok()) {
            return false;
        }
        self.any
            || self.exact.contains(host)
            || self.suffixes.iter().any(|suffix| host.len() > suffix.len() && host.ends_with(&**suffix))
            || self.prefixes.iter().any(|prefix| host.len() > prefix.len() && host.starts_with(&**prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(names: &[&str], any: bool, ipv4: bool) -> Domains {
        let config = serde_json::json!({
            "account_email": "a@b.test", "domains": names, "allow_any_domain": any, "enable_ipv4_common_name": ipv4,
            "storage_config": {
                "shm": {}, "kong": {}, "redis": { "extra_options": { "namespace": "" } }, "consul": {}, "vault": {},
            },
        });
        Domains::of(&serde_json::from_value(config).expect("a configuration"))
    }

    #[test]
    fn names_and_wildcards() {
        let some = domains(&["Grove.test", "*.wild.test", "shop.*", "10.0.0.1"], false, true);
        for (host, expected) in [
            ("grove.test", true),
            ("a.grove.test", false),
            ("a.wild.test", true),
            ("a.b.wild.test", true),
            ("wild.test", false),
            (".wild.test", false),
            ("a.wild.test.evil", false),
            ("shop.example", true),
            ("shop.", false),
            ("my.shop.example", false),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("", false),
        ] {
            assert_eq!(some.contains(host), expected, "{host}");
        }
        assert!(domains(&[], true, true).contains("whatever.test"));
        assert!(domains(&[], true, true).contains("10.0.0.1"));
        assert!(!domains(&["10.0.0.1"], true, false).contains("10.0.0.1"));
        assert!(!domains(&[], false, true).contains("whatever.test"));
    }
}
