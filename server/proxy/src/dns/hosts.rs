//! The hosts file.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// Names of a hosts file with their addresses: of each name those of the first IPv4 line, else of the first IPv6 line.
/// `localhost` is always known.
pub(super) fn parse(text: &str) -> HashMap<String, IpAddr> {
    let mut names: HashMap<String, IpAddr> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let known = names.entry(name.to_ascii_lowercase()).or_insert(ip);
            if known.is_ipv6() && ip.is_ipv4() {
                *known = ip;
            }
        }
    }
    names.entry("localhost".into()).or_insert(IpAddr::V4(Ipv4Addr::LOCALHOST));
    names
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_first_ipv4_line_of_a_name_counts() {
        let names = parse(
            "# comment\n::1 localhost six.test\n127.0.0.1 localhost # again\n10.0.0.1\tA.test b.test\n10.0.0.2 a.test\nbad x\n",
        );
        let get = |name: &str| names.get(name).map(IpAddr::to_string);
        assert_eq!(get("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(get("six.test").as_deref(), Some("::1"));
        assert_eq!(get("a.test").as_deref(), Some("10.0.0.1"));
        assert_eq!(get("b.test").as_deref(), Some("10.0.0.1"));
        assert_eq!(get("x"), None);
        assert_eq!(parse("").get("localhost"), Some(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
