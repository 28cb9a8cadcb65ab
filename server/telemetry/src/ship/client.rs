//! HTTP to others: one client with its idle connections, on the thread it was made on.

use super::{Network, resolve};
use actix_tls::connect::{Connector as Dialer, Resolve, Resolver};
use awc::http::header::{HOST, HeaderName, HeaderValue};
use awc::http::{Method, Uri};
use awc::{Client, Connector};
use exchange::http_client::{HttpError, HttpRequest, HttpResponse};
use std::cell::OnceCell;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest connecting may take, whatever a request allows for all of it.
const CONNECT: Duration = Duration::from_secs(60);

/// Asks servers over HTTP/1.1. Belongs to one thread, which must run an actix `System`.
pub struct Calls {
    network: Arc<dyn Network>,
    verified: OnceCell<Result<Client, String>>,
    unverified: OnceCell<Result<Client, String>>,
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
        Self { network: network.clone(), verified: OnceCell::new(), unverified: OnceCell::new() }
    }

    fn client(&self, verify: bool) -> Result<&Client, HttpError> {
        let cell = if verify { &self.verified } else { &self.unverified };
        let client = cell.get_or_init(|| {
            let mut tls = (*self.network.tls(verify)?).clone();
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            let dialer = Dialer::new(Resolver::custom(Names(self.network.clone()))).service();
            let connector = Connector::new().rustls_0_23(Arc::new(tls)).timeout(CONNECT).connector(dialer);
            Ok(Client::builder()
                .connector(connector)
                .timeout(CONNECT)
                .disable_redirects()
                .no_default_headers()
                .finish())
        });
        client.as_ref().map_err(HttpError::new)
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
        let mut call = self.client(request.verify)?.request(method, uri).timeout(request.timeout);
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
