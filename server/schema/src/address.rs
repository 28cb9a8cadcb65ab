//! Host names and addresses as Kong reads them in hosts, targets, SNIs and upstream names.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What an address text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Dotted quad.
    V4(Ipv4Addr),
    /// IPv6, with or without brackets.
    V6(Ipv6Addr),
    /// A host name, as written.
    Name(String),
}

/// A host with an optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The port, if written.
    pub port: Option<u16>,
}

impl Address {
    /// Parses `host[:port]`. The error is Kong's text (`invalid hostname: …`, `invalid port number`, …).
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.bytes().filter(|b| *b == b':').count() {
            0 | 1 => {
                let host = text.split(':').next().unwrap_or(text);
                if !text.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !host.is_empty() {
                    parse_v4(text)
                } else {
                    parse_name(text)
                }
            }
            _ => parse_v6(text),
        }
    }

    /// Whether the host is an IP address.
    pub fn is_ip(&self) -> bool {
        !matches!(self.host, Host::Name(_))
    }

    /// The text a target is stored as: the port (8000 when none is written), IPv6 in full form with brackets.
    pub fn to_target(&self) -> String {
        let port = self.port.unwrap_or(8000);
        match &self.host {
            Host::V4(ip) => format!("{ip}:{port}"),
            Host::V6(ip) => {
                let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:04x}")).collect();
                format!("[{}]:{port}", groups.join(":"))
            }
            Host::Name(name) => format!("{name}:{port}"),
        }
    }
}

fn port(text: &str) -> Option<u16> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_v4(text: &str) -> Result<Address, String> {
    let invalid = || format!("invalid ipv4 address: {text}");
    let (host, port_text) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let mut octets = [0u8; 4];
    let mut parts = host.split('.');
    for octet in &mut octets {
        let part = parts.next().ok_or_else(invalid)?;
        if part.is_empty() || part.len() > 3 {
            return Err(invalid());
        }
        *octet = part.parse::<u16>().ok().and_then(|n| u8::try_from(n).ok()).ok_or_else(invalid)?;
    }
    if parts.next().is_some() {
        return Err(invalid());
    }
    let port = match port_text {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port(digits).ok_or("invalid port number")?)
        }
        Some(_) => return Err(invalid()),
    };
    Ok(Address { host: Host::V4(Ipv4Addr::from(octets)), port })
}

fn parse_v6(text: &str) -> Result<Address, String> {
    let invalid = || format!("invalid ipv6 address: {text}");
    let (host, port_text) = match text.strip_prefix('[') {
        None => (text, None),
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(invalid)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(invalid()),
            }
        }
    };
    let ip: Ipv6Addr = host.parse().map_err(|_| invalid())?;
    let port = match port_text {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port(digits).ok_or("invalid port number")?)
        }
        Some(_) => return Err(invalid()),
    };
    Ok(Address { host: Host::V6(ip), port })
}

fn parse_name(text: &str) -> Result<Address, String> {
    let invalid = || format!("invalid hostname: {text}");
    let (name, port_text) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return Err(invalid());
    }
    let stem = name.strip_suffix('.').unwrap_or(name);
    if stem.split('.').any(|label| label.is_empty() || label.ends_with('-')) {
        return Err(invalid());
    }
    let port = match port_text {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(port(digits).ok_or("invalid port number")?)
        }
        Some(_) => return Err(invalid()),
    };
    Ok(Address { host: Host::Name(name.to_owned()), port })
}

/// Whether a text is an IPv4 or IPv6 address, or a CIDR range of such.
pub fn is_ip_or_cidr(text: &str) -> bool {
    let (ip, mask) = match text.split_once('/') {
        Some((ip, mask)) => (ip, Some(mask)),
        None => (text, None),
    };
    let widest = match ip.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    mask.is_none_or(|mask| {
        !mask.is_empty()
            && mask.len() <= 3
            && mask.bytes().all(|b| b.is_ascii_digit())
            && mask.parse::<u16>().is_ok_and(|bits| bits <= widest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_parse_as_in_kong() {
        for (text, target) in [
            ("a", "a:8000"),
            ("a.b.:80", "a.b.:80"),
            ("1.2.3.4", "1.2.3.4:8000"),
            ("01.2.3.4:5", "1.2.3.4:5"),
            ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"),
            ("[::1]:80", "[0000:0000:0000:0000:0000:0000:0000:0001]:80"),
            ("A_b-c.com", "A_b-c.com:8000"),
        ] {
            assert_eq!(Address::parse(text).map(|a| a.to_target()), Ok(target.to_owned()), "{text}");
        }
        for (text, error) in [
            ("a b", "invalid hostname: a b"),
            ("", "invalid hostname: "),
            ("a..b", "invalid hostname: a..b"),
            ("a-", "invalid hostname: a-"),
            ("a:99999", "invalid port number"),
            ("1.2.3.400", "invalid ipv4 address: 1.2.3.400"),
            ("1.2.3", "invalid ipv4 address: 1.2.3"),
            ("a:1:2", "invalid ipv6 address: a:1:2"),
        ] {
            assert_eq!(Address::parse(text), Err(error.to_owned()));
        }
    }
}
