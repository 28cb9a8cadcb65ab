//! Who the client is when a trusted proxy stands between (`trusted_ips`, `real_ip_header`, `real_ip_recursive`).

use crate::h1::names;
use crate::settings::{ProxySettings, RealIpHeader};
use crate::worker::Ends;
use exchange::Request;
use std::net::{IpAddr, SocketAddr};

/// Sets `trusted`, `client_ip` and `client_port` of a request.
pub fn settle(request: &mut Request, ends: &Ends, settings: &ProxySettings) {
    request.client_ip = ends.peer.map(|peer| peer.ip());
    request.client_port = ends.peer.map_or(0, |peer| peer.port());
    request.trusted = match ends.peer {
        _ if settings.trusted_ips.is_empty() && !settings.trust_unix => false,
        Some(peer) => settings.trusts(peer.ip()),
        None => settings.trust_unix,
    };
    if !request.trusted {
        return;
    }
    let found = match &settings.real_ip_header {
        RealIpHeader::ProxyProtocol => ends.proxied,
        RealIpHeader::Header(name) => request.headers.joined(name).and_then(|list| of_list(&list, settings)),
    };
    if let Some(found) = found {
        request.client_ip = Some(found.ip());
        request.client_port = found.port();
    }
}

/// The last address of a list; recursive: the last one that is not trusted, else the first.
fn of_list(list: &[u8], settings: &ProxySettings) -> Option<SocketAddr> {
    let addresses: Vec<&[u8]> = names::list(list).collect();
    let mut found = None;
    for text in addresses.iter().rev() {
        let Some(address) = address(text) else { break };
        found = Some(address);
        if !settings.real_ip_recursive || !settings.trusts(address.ip()) {
            break;
        }
    }
    found
}

/// An address with or without port, IPv6 with or without brackets.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_peer_names_the_client() {
        let cases = [
            ("10.0.0.1", false, "X-Real-IP", "8.8.8.8", "8.8.8.8"),
            ("10.0.0.1", false, "X-Forwarded-For", "8.8.8.8, 9.9.9.9", "9.9.9.9"),
            ("10.0.0.1", true, "X-Forwarded-For", "8.8.8.8, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
            ("10.0.0.1", true, "X-Forwarded-For", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", true, "X-Forwarded-For", "8.8.8.8, nonsense, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", false, "X-Real-IP", "nonsense", "10.0.0.1"),
            ("10.0.0.1", false, "X-Real-IP", "[2001:db8::1]:99", "2001:db8::1"),
            ("11.0.0.1", false, "X-Real-IP", "8.8.8.8", "11.0.0.1"),
        ];
        for (peer, recursive, header, value, expected) in cases {
            let settings = ProxySettings {
                trusted_ips: vec!["10.0.0.0/8".parse().unwrap()],
                real_ip_header: RealIpHeader::Header(header.into()),
                real_ip_recursive: recursive,
                ..ProxySettings::default()
            };
            let mut request = Request { headers: [(header, value)].into_iter().collect(), ..Request::default() };
            let ends = Ends { peer: Some(SocketAddr::new(peer.parse().unwrap(), 1)), ..Ends::default() };
            settle(&mut request, &ends, &settings);
            assert_eq!(request.client_ip().to_string(), expected, "{peer} {value}");
            assert_eq!(request.trusted, peer == "10.0.0.1");
        }
    }
}
