//! HTTP to others: one client with its idle connections, on the thread it was made on.

use super::tunnel::Tunnels;
use super::{Network, resolve};
use actix_tls::connect::{Connector as Dialer, Resolve, Resolver};
use awc::http::header::{HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use awc::http::uri::{PathAndQuery, Scheme};
use awc::http::{Method, Uri};
use awc::{Client, Connector};
use exchange::HttpProxy;
use exchange::http_client::{HttpError, HttpRequest, HttpResponse};
use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest connecting may take, whatever a request allows for all of it.
const CONNECT: Duration = Duration::from_secs(60);

/// Ways that are kept, with their idle connections: more than configurations have.
const WAYS: usize = 64;

/// Asks servers over HTTP/1.1. Belongs to one thread, which must run an actix `System`.
pub struct Calls {
    network: Arc<dyn Network>,
    clients: RefCell<HashMap<Way, Client>>,
}

/// How servers are reached.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    /// Whether authorities must vouch for them.
    verify: bool,
    /// Through tunnels of this proxy.
    tunnel: Option<Arc<HttpProxy>>,
}

struct Names(Arc<dyn Network>);

impl Resolve for Names {
    fn lookup<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, Box<dyn Error>>> + 'a>> {
        Box::pin(async move { Ok(vec![resolve(&*self.0, host, port).await?]) })
    }
}

impl Calls {
    /// With the node's network.
    pub fn new(network: &Arc<dyn Network>) -> Self {
        Self { network: network.clone(), clients: RefCell::default() }
    }

    fn client(&self, way: Way) -> Result<Client, HttpError> {
        if let Some(client) = self.clients.borrow().get(&way) {
            return Ok(client.clone());
        }
        let mut tls = (*self.network.tls(way.verify).map_err(HttpError::new)?).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = Connector::new().rustls_0_23(Arc::new(tls)).timeout(CONNECT);
        let builder = Client::builder().timeout(CONNECT).disable_redirects().no_default_headers();
        let network = self.network.clone();
        let client = match way.tunnel.clone() {
            None => {
                let dialer = Dialer::new(Resolver::custom(Names(network))).service();
                builder.connector(connector.connector(dialer)).finish()
            }
            Some(proxy) => builder.connector(connector.connector(Tunnels { network, proxy })).finish(),
        };
        let mut clients = self.clients.borrow_mut();
        if clients.len() >= WAYS {
            // Proxies of configurations that are no more.
            clients.retain(|way, _| way.tunnel.is_none());
        }
        clients.insert(way, client.clone());
        Ok(client)
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout;
        match timeout(limit, self.ask(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::new("timeout")),
        }
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri: Uri = request.url.parse().map_err(|error| HttpError::new(format_args!("bad URL: {error}")))?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(HttpError::new("bad URL: it is not http or https"));
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(HttpError::new)?;
        let is_tls = uri.scheme_str() == Some("https");
        let (tunnel, proxy) = if is_tls { (request.proxy, None) } else { (None, request.proxy) };
        let client = self.client(Way { verify: request.verify, tunnel })?;
        let mut call = match proxy {
            None => client.request(method, uri),
            Some(proxy) => {
                let host = HeaderValue::try_from(uri.authority().map_or("", |authority| authority.as_str()));
                let mut call = client.request(method, absolute(&proxy, &uri)?);
                call = call.insert_header((HOST, host.map_err(HttpError::new)?));
                match &proxy.authorization {
                    Some(secret) => call.insert_header((PROXY_AUTHORIZATION, secret.as_str())),
                    None => call,
                }
            }
        }
        .timeout(request.timeout);
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_str());
            let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) else {
                return Err(HttpError::new("a header of the request is not valid"));
            };
            call = if name == HOST { call.insert_header((name, value)) } else { call.append_header((name, value)) };
        }
        let mut answer = call.send_body(request.body).await.map_err(HttpError::new)?;
        let body = answer.body().limit(request.max_answer).await.map_err(HttpError::new)?;
        let headers =
            answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Ok(HttpResponse { status: answer.status().as_u16(), headers: headers.collect(), body })
    }
}

/// The proxy, told what is asked in absolute form (RFC 9112 §3.2.2).
fn absolute(proxy: &HttpProxy, uri: &Uri) -> Result<Uri, HttpError> {
    let mut parts = awc::http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(proxy.to_string().parse().map_err(HttpError::new)?);
    parts.path_and_query = Some(PathAndQuery::try_from(uri.to_string()).map_err(HttpError::new)?);
    Uri::from_parts(parts).map_err(HttpError::new)
}
