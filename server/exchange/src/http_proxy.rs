//! Proxies that plugins' questions to other servers go through.

use crate::http_client::{Asking, HttpClient, HttpRequest};
use std::fmt;
use std::sync::Arc;

/// An HTTP proxy. What is asked with https goes through a tunnel (CONNECT, RFC 9110 §9.3.6), what is asked with http is told
/// it in absolute form (RFC 9112 §3.2.2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpProxy {
    /// Its name or address; one of IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it is told in `Proxy-Authorization`; a secret.
    pub authorization: Option<String>,
}

impl HttpProxy {
    /// One that asks nobody who they are.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.trim_matches(['[', ']']).to_owned(), port, authorization: None }
    }
}

impl fmt::Display for HttpProxy {
    /// Host and port, as in URLs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for HttpProxy {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpProxy({self})")
    }
}

/// The proxy for each scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpProxies {
    /// For http.
    pub http: Option<Arc<HttpProxy>>,
    /// For https.
    pub https: Option<Arc<HttpProxy>>,
}

impl HttpProxies {
    /// The same one for both.
    pub fn both(proxy: Option<HttpProxy>) -> Self {
        let http = proxy.map(Arc::new);
        Self { https: http.clone(), http }
    }

    /// A client that asks through them.
    pub fn through(self, client: &Arc<dyn HttpClient>) -> Arc<dyn HttpClient> {
        match self {
            Self { http: None, https: None } => client.clone(),
            proxies => Arc::new(Proxied { proxies, client: client.clone() }),
        }
    }

    fn of(&self, url: &str) -> Option<Arc<HttpProxy>> {
        let is_tls = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        if is_tls { self.https.clone() } else { self.http.clone() }
    }
}

struct Proxied {
    proxies: HttpProxies,
    client: Arc<dyn HttpClient>,
}

impl HttpClient for Proxied {
    fn send(&self, mut request: HttpRequest) -> Asking {
        request.proxy = self.proxies.of(&request.url);
        self.client.send(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::HttpError;

    /// Says which proxy it was told.
    struct Told;

    impl HttpClient for Told {
        fn send(&self, request: HttpRequest) -> Asking {
            let told = request.proxy.map_or("none".to_owned(), |proxy| proxy.to_string());
            Box::pin(std::future::ready(Err(HttpError::new(told))))
        }
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let client: Arc<dyn HttpClient> = Arc::new(Told);
        let one = |host, port| Some(Arc::new(HttpProxy::new(host, port)));
        let told = |proxies: HttpProxies, url: &str| {
            let mut asking = proxies.through(&client).send(HttpRequest::new("GET", url, ""));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match asking.as_mut().poll(&mut context) {
                std::task::Poll::Ready(Err(told)) => told.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let each = HttpProxies { http: one("plain.test", 80), https: one("[::1]", 3128) };
        for (proxies, url, expected) in [
            (each.clone(), "http://a.test/", "plain.test:80"),
            (each.clone(), "https://a.test/", "[::1]:3128"),
            (each.clone(), "HTTPS://a.test/", "[::1]:3128"),
            (HttpProxies { http: None, ..each }, "http://a.test/", "none"),
            (HttpProxies::both(Some(HttpProxy::new("p", 1))), "http://a.test", "p:1"),
            (HttpProxies::both(None), "https://a.test", "none"),
        ] {
            assert_eq!(told(proxies, url), expected, "{url}");
        }
    }

    #[test]
    fn a_proxy_is_shown_without_its_secret() {
        let proxy = HttpProxy { authorization: Some("Basic c2VjcmV0".to_owned()), ..HttpProxy::new("p.test", 8080) };
        assert_eq!(format!("{proxy:?}"), "HttpProxy(p.test:8080)");
    }
}
