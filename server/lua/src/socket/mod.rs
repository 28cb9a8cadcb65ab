//! `ngx.socket.tcp`: connections of Lua to other servers. Whoever waits for one suspends its function.

mod pool;
mod stream;
mod tcp;

use mlua::{Lua, Table};
use rustls_pki_types::InvalidDnsNameError;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::ClientConfig;

/// An address that is being looked for.
pub type Resolving = Pin<Box<dyn Future<Output = Result<SocketAddr, String>> + Send>>;

/// What connections need of the node.
pub trait Network: Send + Sync {
    /// An address of a name.
    fn resolve(&self, name: &str, port: u16) -> Resolving;

    /// TLS as the node speaks it; `verify` says whether its authorities must vouch for the server.
    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String>;
}

static NETWORK: OnceLock<Arc<dyn Network>> = OnceLock::new();

/// Sets it once for the process; later calls change nothing.
pub fn set_network(network: Arc<dyn Network>) {
    let _ = NETWORK.set(network);
}

pub fn network() -> Result<&'static Arc<dyn Network>, String> {
    NETWORK.get().ok_or_else(|| "there is no network".to_owned())
}

/// Why something cannot be done with a connection; the texts are OpenResty's.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It took too long.
    #[error("timeout")]
    Timeout,
    /// It is closed, or was never open.
    #[error("closed")]
    Closed,
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// There is no such name.
    #[error("{0} could not be resolved ({1})")]
    Unresolved(String, String),
    /// TLS cannot be spoken with it.
    #[error("{0}")]
    Tls(String),
    /// The name cannot be one of TLS.
    #[error("{0}")]
    Name(#[from] InvalidDnsNameError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for SocketError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected, UnexpectedEof};
        match error.kind() {
            ConnectionRefused => Self::Refused,
            BrokenPipe | NotConnected | UnexpectedEof => Self::Closed,
            ConnectionReset => Self::Other("connection reset by peer".to_owned()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// `ngx.socket`
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let socket = lua.create_table()?;
    socket.set("tcp", lua.create_function(|lua, _: mlua::MultiValue| lua.create_userdata(tcp::Tcp::default()))?)?;
    socket.set("connect", lua.create_async_function(tcp::connected)?)?;
    for name in ["udp", "stream"] {
        let text = format!("ngx.socket.{name} is not available in this gateway");
        let absent = move |_: &Lua, _: mlua::MultiValue| Err::<(), _>(crate::error::of(text.clone()));
        socket.set(name, lua.create_function(absent)?)?;
    }
    Ok(socket)
}
