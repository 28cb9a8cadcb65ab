//! A TLS handshake with a client, as plugins lead it.

/// What plugins want of the handshake that goes on: in the [`State`](crate::state::State) of the Exchange that
/// [`Plugin::certificate`](crate::Plugin::certificate) is called with. Nothing is the same as without plugins.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// The client is asked for a certificate of one of these authorities (DER), or of any where there are none. Who
    /// has none is served all the same; whether they vouch for it is told as `client_verify` of the session.
    pub authorities: Option<Vec<Vec<u8>>>,
    /// The session is a new one, and is not to be resumed later.
    pub once: bool,
    /// The configuration's certificate is not shown, also where there is no other.
    pub cleared: bool,
    /// The chain to show, leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// Its key, PEM.
    pub key: Option<String>,
}
