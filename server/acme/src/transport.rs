//! The ACME client's requests, sent by the node's HTTP client.

use bytes::Bytes;
use exchange::{HttpClient, HttpRequest, HttpResponse};
use http::{Request, Response};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// For one request, connecting included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends by the node's HTTP client, which verifies the authority's server.
pub(crate) struct Transport(pub(crate) Arc<dyn HttpClient>);

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

impl instant_acme::HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let http = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(failed)?.to_bytes();
            let mut asked = HttpRequest::new(parts.method.as_str(), parts.uri.to_string(), body);
            asked.timeout = PATIENCE;
            for (name, value) in &parts.headers {
                asked = asked.header(name.as_str(), value.to_str().unwrap_or_default());
            }
            let HttpResponse { status, headers, body } = http.send(asked).await.map_err(failed)?;
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let (parts, ()) = response.body(())?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}
