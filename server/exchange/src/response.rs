//! The answer that goes to the client, wherever it came from.

use crate::Headers;
use bytes::Bytes;

/// Who made a response (`kong.response.get_source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Source {
    /// The upstream.
    #[default]
    Service,
    /// A plugin or the core answered on purpose.
    Exit,
    /// An error on the way.
    Error,
}

/// Status, header section and, where the gateway made it, the body of a response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status code; 0 until there is a response.
    pub status: u16,
    /// Reason phrase as the upstream sent it; empty = the registered one.
    pub reason: Bytes,
    /// The header section. `Content-Length`, `Transfer-Encoding` and `Connection` are the engine's: what a plugin
    /// removes or sets here of `Content-Length` is honoured only as "the length is no longer known".
    pub headers: Headers,
    /// Who made it.
    pub source: Source,
    /// The body of a response made here; an upstream's body streams and is never here.
    pub body: Bytes,
    /// What the upstream sent after its body; known when body_filter gets the last piece.
    pub trailers: Option<Box<Headers>>,
    /// The status that the upstream sent, before anything changed it; 0 where none answered.
    pub upstream_status: u16,
    /// Bytes of the body that went to the client, framing excluded.
    pub body_sent: u64,
    /// Bytes of the head that went to the client.
    pub head_sent: u64,
}
