//! Answers made here, and the headers the gateway adds to every response.

use super::client::Client;
use super::{Collected, End, access};
use crate::h1::write::{self, Length};
use crate::product::PRODUCT;
use crate::settings::HeaderTokens;
use crate::worker::Worker;
use bytes::Bytes;
use exchange::{Answer, Chunk, Exchange, Flow, Phases, Stamp};
use std::future::poll_fn;
use std::task::Poll;

/// Sends an answer made here through the phases of the response. `proxied`: it stands for the answer of an upstream
/// that was asked.
pub(super) async fn made<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    answer: Answer,
    proxied: bool,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    exchange.answer(answer, &worker.settings.errors);
    header_filter(exchange, collected, worker);
    whole(client, exchange, proxied, collected, worker).await
}

/// Runs header_filter. An answer from a plugin takes the response's place, and ends the phase. True where it did.
pub(super) fn header_filter(exchange: &mut Exchange, collected: &Collected<'_>, worker: &Worker) -> bool {
    for instance in collected {
        if !instance.phases().has(Phases::HEADER_FILTER) {
            continue;
        }
        let start = access::begin(exchange);
        let flow = instance.header_filter(exchange);
        access::note(exchange, instance.name(), "header_filter", start);
        if let Flow::Answer(answer) = flow {
            exchange.answer(*answer, &worker.settings.errors);
            return true;
        }
    }
    false
}

/// Sends a response whose body is in memory, after header_filter.
pub(super) async fn whole<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    proxied: bool,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    let mut body = std::mem::take(&mut exchange.response.body);
    if filters_bodies(collected) {
        let mut chunk = Chunk { data: body, last: true };
        body_filter(exchange, collected, &mut chunk);
        body = chunk.data;
    }
    add_headers(exchange, worker.settings.headers, proxied, worker.settings.allow_debug_header);
    let status = exchange.response.status;
    let bodiless = exchange.request.method.as_slice() == b"HEAD" || matches!(status, 100..=199 | 204 | 304);
    let length = if matches!(status, 100..=199 | 204 | 304) { Length::None } else { Length::Known(body.len() as u64) };
    client.head(exchange, length, bodiless);
    exchange.timeline.mark(Stamp::Headed);
    if !bodiless {
        exchange.response.body_sent = body.len() as u64;
        let _ = client.push(body);
    }
    let _ = client.finish(None);
    flush(client, worker).await
}

/// Sends what is queued.
async fn flush<C: Client>(client: &mut C, worker: &Worker) -> End {
    client.deadline().arm(worker.settings.send_timeout);
    poll_fn(|context| match client.poll_flush(context) {
        Poll::Ready(Ok(())) => Poll::Ready(End::Sent),
        Poll::Ready(Err(_)) => Poll::Ready(End::Gone),
        Poll::Pending if client.deadline().expired() => Poll::Ready(End::Gone),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Whether a plugin wants to see bodies.
pub(super) fn filters_bodies(collected: &Collected<'_>) -> bool {
    collected.iter().any(|instance| instance.phases().has(Phases::BODY_FILTER))
}

/// Shows a piece of a body to every plugin that wants it.
pub(super) fn body_filter(exchange: &mut Exchange, collected: &Collected<'_>, chunk: &mut Chunk) {
    for instance in collected {
        if instance.phases().has(Phases::BODY_FILTER) {
            instance.body_filter(exchange, chunk);
        }
    }
}

/// Adds what the gateway says of itself and of the time it took.
pub(super) fn add_headers(exchange: &mut Exchange, tokens: HeaderTokens, proxied: bool, debug: bool) {
    let upstream_ms = if proxied { exchange.timeline.upstream_ms() } else { 0 };
    let kong_ms = if proxied { exchange.timeline.proxy_ms() } else { exchange.timeline.elapsed_ms() };
    let grpc = exchange.service.as_ref().is_some_and(|service| service.protocol.starts_with("grpc"));
    let headers = &mut exchange.response.headers;
    let mut digits = Vec::with_capacity(10);
    let mut number = |value: u32| {
        digits.clear();
        write::number(&mut digits, u64::from(value));
        Bytes::copy_from_slice(&digits)
    };
    if tokens.server && !headers.contains("server") {
        headers.append("Server", PRODUCT);
    }
    if proxied {
        if tokens.via {
            let mut value = headers.joined("via").unwrap_or_default();
            if !value.is_empty() {
                value.extend_from_slice(b", ");
            }
            value.extend_from_slice(if grpc { b"2 " } else { b"1.1 " });
            value.extend_from_slice(PRODUCT.as_bytes());
            headers.set("Via", value);
        }
        if tokens.upstream_latency {
            headers.set("X-Kong-Upstream-Latency", number(upstream_ms));
        }
        if tokens.proxy_latency {
            headers.set("X-Kong-Proxy-Latency", number(kong_ms));
        }
        if tokens.upstream_status && exchange.response.upstream_status != 0 {
            headers.set("X-Kong-Upstream-Status", number(u32::from(exchange.response.upstream_status)));
        }
    } else if tokens.response_latency {
        headers.set("X-Kong-Response-Latency", number(kong_ms));
    }
    if tokens.request_id {
        headers.set("X-Kong-Request-Id", exchange.id.as_bytes());
    }
    if debug && exchange.request.headers.contains("kong-debug") {
        add_debug(exchange);
    }
}

fn add_debug(exchange: &mut Exchange) {
    let headers = &mut exchange.response.headers;
    if let Some(route) = &exchange.route {
        headers.set("Kong-Route-Id", route.id.to_string());
        if let Some(name) = &route.name {
            headers.set("Kong-Route-Name", name.as_bytes());
        }
    }
    if let Some(service) = &exchange.service {
        headers.set("Kong-Service-Id", service.id.to_string());
        if let Some(name) = &service.name {
            headers.set("Kong-Service-Name", name.as_bytes());
        }
    }
}
