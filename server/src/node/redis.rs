//! What connections to Redis and LDAP, and those of Lua, are told of the node's network.

use proxy::dns::Resolver;
use redis_client::{Network, Resolving};
use rustls::ClientConfig;
use snapshot::Trust;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The node's resolver and authorities.
pub struct Outside {
    /// Names to addresses.
    pub resolver: Arc<Resolver>,
    /// Whom to believe.
    pub trust: Arc<Trust>,
}

impl Network for Outside {
    fn resolve(&self, name: &str, port: u16) -> Resolving {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Box::pin(std::future::ready(Ok(SocketAddr::new(address, port))));
        }
        let asked = self.resolver.resolve(name);
        Box::pin(async move {
            let answer = asked.found().await.map_err(|error| error.to_string())?;
            answer.next(port).ok_or_else(|| "dns client error: 101 empty record received".to_owned())
        })
    }

    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        self.trust.probe(None, verify).map(|tls| tls.config().clone())
    }
}

impl lua::Network for Outside {
    fn resolve(&self, name: &str, port: u16) -> lua::Resolving {
        Network::resolve(self, name, port)
    }

    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        Network::tls(self, verify)
    }
}

impl ldap_client::Network for Outside {
    fn resolve(&self, name: &str, port: u16) -> ldap_client::Resolving {
        Network::resolve(self, name, port)
    }

    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        Network::tls(self, verify)
    }
}
