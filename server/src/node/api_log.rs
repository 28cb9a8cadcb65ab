//! What happens around every request to the Admin and status APIs: a span, and a line in the access log.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use exchange::{Exchange, Request, Scheme, Timeline, Version, directory::Nobody};
use std::future::Future;
use std::sync::Arc;
use telemetry::AccessLog;
use tracing::Instrument;

/// What is noted of a request before it is passed on.
pub struct Observation {
    span: tracing::Span,
    line: Option<(AccessLog, Exchange)>,
}

impl Observation {
    /// Of a request that was just read.
    pub fn of(request: &ServiceRequest, log: Option<AccessLog>) -> Self {
        let parent = request.headers().get("traceparent").map(|value| value.as_bytes());
        Self {
            span: telemetry::admin_request(request.method().as_str(), request.path(), parent),
            line: log.map(|log| (log, exchange_of(request))),
        }
    }

    /// Awaits the answer within the span, and logs it.
    pub async fn during<B: MessageBody>(
        self,
        answering: impl Future<Output = Result<ServiceResponse<B>, Error>>,
    ) -> Result<ServiceResponse<B>, Error> {
        let answered = answering.instrument(self.span.clone()).await;
        let status = match &answered {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.as_response_error().status_code().as_u16(),
        };
        self.span.record("http.response.status_code", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        if let Some((log, mut exchange)) = self.line {
            exchange.response.status = status;
            if let Ok(response) = &answered
                && let BodySize::Sized(length) = response.response().body().size()
            {
                exchange.response.body_sent = length;
            }
            exchange.timeline.mark(exchange::Stamp::Finished);
            log.log(&exchange);
        }
        answered
    }
}

/// The request in the terms of the access log.
fn exchange_of(request: &ServiceRequest) -> Exchange {
    let head = request.head();
    let lines = head.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let seen = Request {
        method: head.method.as_str().as_bytes().into(),
        target: target.as_bytes().into(),
        path: head.uri.path().as_bytes().into(),
        query: head.uri.query().map(|query| query.as_bytes().into()),
        version: match head.version {
            actix_web::http::Version::HTTP_10 => Version::Http10,
            actix_web::http::Version::HTTP_2 => Version::Http2,
            _ => Version::Http11,
        },
        scheme: if request.app_config().secure() { Scheme::Https } else { Scheme::Http },
        headers: lines.collect(),
        peer: head.peer_addr,
        client_ip: head.peer_addr.map(|peer| peer.ip()),
        client_port: head.peer_addr.map_or(0, |peer| peer.port()),
        local: Some(request.app_config().local_addr()),
        port: request.app_config().local_addr().port(),
        ..Request::default()
    };
    Exchange::new(seen, Timeline::default(), Arc::new(Nobody))
}
