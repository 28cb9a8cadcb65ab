//! Opening a connection: name, TCP, TLS, `AUTH` and `SELECT`.

use crate::network::Network;
use exchange::redis::{RedisAddress, RedisError, RedisTls};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls_pki_types::ServerName;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Does the work of a connection until it ends.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a connection may be silent before the other side is probed.
const SILENCE: Duration = Duration::from_secs(30);

/// Opens a connection. The caller sets the time limit.
pub(crate) async fn open(
    address: &RedisAddress,
    network: &dyn Network,
) -> Result<(MultiplexedConnection, Driver), RedisError> {
    let socket = match literal(&address.host) {
        Some(ip) => SocketAddr::new(ip, address.port),
        None => network.resolve(&address.host, address.port).await.map_err(RedisError::new)?,
    };
    let tcp = TcpStream::connect(socket).await.map_err(RedisError::new)?;
    tcp.set_nodelay(true).map_err(RedisError::new)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE);
    socket2::SockRef::from(&tcp).set_tcp_keepalive(&keepalive).map_err(RedisError::new)?;
    match &address.tls {
        None => greet(address, tcp).await,
        Some(tls) => {
            let config = network.tls(tls.verify).map_err(RedisError::new)?;
            let name = server_name(address, tls)?;
            greet(address, TlsConnector::from(config).connect(name, tcp).await.map_err(RedisError::new)?).await
        }
    }
}

/// The name to ask for and to verify.
pub(crate) fn server_name(address: &RedisAddress, tls: &RedisTls) -> Result<ServerName<'static>, RedisError> {
    let name = match (&tls.server_name, literal(&address.host)) {
        (Some(name), _) => name.clone(),
        (None, Some(ip)) => return Ok(ServerName::IpAddress(ip.into())),
        (None, None) => address.host.clone(),
    };
    ServerName::try_from(name).map_err(|_| RedisError::new("the server's name is no host name"))
}

fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

async fn greet<S>(address: &RedisAddress, stream: S) -> Result<(MultiplexedConnection, Driver), RedisError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut who = RedisConnectionInfo::default().set_db(address.database).set_skip_set_lib_name();
    if let Some(password) = address.password.as_deref().filter(|password| !password.is_empty()) {
        who = who.set_password(password);
        if let Some(username) = address.username.as_deref().filter(|username| !username.is_empty()) {
            who = who.set_username(username);
        }
    }
    // Each question has its own limit of time.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&who, stream, config).await.map_err(RedisError::new)?;
    Ok((connection, Box::pin(driver)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_verify() {
        for (host, given, name) in [
            ("redis.test", None, Some("redis.test")),
            ("redis.test", Some("cache.test"), Some("cache.test")),
            ("127.0.0.1", None, Some("127.0.0.1")),
            ("[::1]", None, Some("::1")),
            ("127.0.0.1", Some("cache.test"), Some("cache.test")),
            ("redis.test", Some("not a name"), None),
        ] {
            let tls = RedisTls { verify: true, server_name: given.map(str::to_owned) };
            let address = RedisAddress {
                host: host.into(),
                port: 1,
                username: None,
                password: None,
                database: 0,
                tls: None,
                timeout: Duration::ZERO,
                connect_timeout: None,
            };
            let found = server_name(&address, &tls).map(|name| name.to_str().into_owned());
            assert_eq!(found.ok().as_deref(), name, "{host} {given:?}");
        }
    }
}
