//! What is known of a session of the stream subsystem: bytes both ways, instead of a request with its response.

/// What a session runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transport {
    /// A TCP connection.
    #[default]
    Tcp,
    /// Datagrams from and to one address.
    Udp,
}

impl Transport {
    /// nginx's `$protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A session: what an [`Exchange`](crate::Exchange) of TCP, TLS or UDP has beyond addresses, Route, Service and tries.
/// Its status is the response's: 200 when bytes were passed on, else why not, in numbers of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// What it runs over.
    pub transport: Transport,
    /// Server name of the client's TLS handshake, also where the handshake is not terminated here.
    pub sni: Option<Box<str>>,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// Bytes from the upstream.
    pub upstream_received: u64,
    /// Bytes to the upstream.
    pub upstream_sent: u64,
}
