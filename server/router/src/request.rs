//! What the router asks of a request.

use std::net::SocketAddr;

use crate::route::NetProtocol;

/// A request (or a connection, in the stream subsystem) as the router sees it.
///
/// Nothing is copied: every method lends bytes of the request.
pub trait Request {
    /// The method as sent; compared exactly. Empty for a connection.
    fn method(&self) -> &[u8] {
        b""
    }

    /// The `Host` header (or `:authority`) as sent, in its case, without the port: see
    /// [`crate::split_host`].
    fn host(&self) -> &[u8] {
        b""
    }

    /// The port that the `Host` header names.
    fn host_port(&self) -> Option<u16> {
        None
    }

    /// The path, normalised by [`crate::path::normalize`], without the query.
    fn path(&self) -> &[u8] {
        b""
    }

    /// The raw query, without the `?`.
    fn query(&self) -> &[u8] {
        b""
    }

    /// `net.protocol`.
    fn net_protocol(&self) -> NetProtocol;

    /// The server name the client asked for in its TLS handshake.
    fn sni(&self) -> Option<&[u8]> {
        None
    }

    /// The client's address (`net.src.*`).
    fn source(&self) -> SocketAddr;

    /// The address the client connected to (`net.dst.*`), its port mapped by `port_maps`. A port in
    /// the `Host` header takes precedence over this one.
    fn destination(&self) -> SocketAddr;

    /// Calls `each` with the value of every header named `name` (lower-case, `_` for `-`; see
    /// [`header_name_matches`]), in order, until it returns false. Values come without surrounding
    /// blanks, and only the first 100 headers count (`lua_max_req_headers`).
    fn header_values<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]) -> bool);
}

/// Whether a header's name on the wire is the one a Route means: case is ignored, `-` and `_` are the same.
pub fn header_name_matches(wire: &[u8], name: &str) -> bool {
    let fold = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    wire.len() == name.len() && wire.iter().zip(name.bytes()).all(|(a, b)| fold(*a) == fold(b))
}
