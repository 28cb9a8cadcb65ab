//! Answers made here, and the headers the gateway adds to every response.

use super::client::Client;
use super::{Collected, End, access, debug, guard};
use crate::h1::write::Length;
use crate::product::{PRODUCT, VIA_1_1, VIA_2};
use crate::worker::Worker;
use exchange::names::Name;
use exchange::{Answer, Chunk, Exchange, Flow, Headers, Phases, Source, Stamp};
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
    // What was kept of an upstream's answers counts as one.
    let proxied = proxied || answer.source == Source::Service;
    exchange.answer(answer, &worker.settings.errors);
    header_filter(exchange, collected, worker);
    whole(client, exchange, proxied, collected, worker).await
}

/// Runs response, for an upstream's answer that is held back. What a plugin answers takes its place, and ends the phase.
pub(super) async fn response(exchange: &mut Exchange, collected: &Collected<'_>, worker: &Worker) {
    for instance in collected {
        if !instance.phases().has(Phases::RESPONSE) {
            continue;
        }
        let start = access::begin(exchange);
        let flow = guard::step(instance.name(), "response", || instance.response(exchange)).await;
        access::note(exchange, instance.name(), "response", start);
        if let Flow::Answer(answer) = flow {
            return exchange.answer(*answer, &worker.settings.errors);
        }
    }
}

/// Runs header_filter. An answer from a plugin takes the response's place, and ends the phase. True where it did.
pub(super) fn header_filter(exchange: &mut Exchange, collected: &Collected<'_>, worker: &Worker) -> bool {
    for instance in collected {
        if !instance.phases().has(Phases::HEADER_FILTER) {
            continue;
        }
        let start = access::begin(exchange);
        let flow = guard::call(instance.name(), "header_filter", || instance.header_filter(exchange));
        access::note(exchange, instance.name(), "header_filter", start);
        if let Flow::Answer(answer) = flow.unwrap_or_else(guard::failed) {
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
        if body_filter(exchange, collected, &mut chunk) {
            body = chunk.data;
        } else {
            exchange.answer(guard::failure(), &worker.settings.errors);
            body = std::mem::take(&mut exchange.response.body);
        }
    }
    add_headers(exchange, proxied, collected, worker);
    let status = exchange.response.status;
    let bodiless = exchange.request.client_head || matches!(status, 100..=199 | 204 | 304);
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

/// Shows a piece of a body to every plugin that wants it. False where one of them panicked.
pub(super) fn body_filter(exchange: &mut Exchange, collected: &Collected<'_>, chunk: &mut Chunk) -> bool {
    collected.iter().filter(|instance| instance.phases().has(Phases::BODY_FILTER)).all(|instance| {
        let start = debug::now(exchange);
        let done = guard::call(instance.name(), "body_filter", || instance.body_filter(exchange, chunk));
        debug::spend(exchange, instance.name(), "body_filter", start);
        done.is_some()
    })
}

/// Adds what the gateway says of itself and of the time it took.
pub(super) fn add_headers(exchange: &mut Exchange, proxied: bool, collected: &Collected<'_>, worker: &Worker) {
    let tokens = worker.settings.headers;
    let seen = Seen::of(&exchange.response.headers);
    if tokens.server && !seen.server {
        exchange.response.headers.append_known("Server", PRODUCT.as_bytes());
    }
    let mut add = |name, value: &[u8]| {
        // An upstream that is such a gateway itself has sent the same lines; they describe another hop.
        if seen.own {
            exchange.response.headers.remove(name);
        }
        exchange.response.headers.append_known(name, value);
    };
    if proxied {
        if tokens.upstream_latency {
            add("X-Kong-Upstream-Latency", Decimal::of(exchange.timeline.upstream_ms()).text());
        }
        if tokens.proxy_latency {
            add("X-Kong-Proxy-Latency", Decimal::of(exchange.timeline.proxy_ms()).text());
        }
        if tokens.upstream_status && exchange.response.upstream_status != 0 {
            add("X-Kong-Upstream-Status", Decimal::of(u32::from(exchange.response.upstream_status)).text());
        }
    } else if tokens.response_latency {
        add("X-Kong-Response-Latency", Decimal::of(exchange.timeline.elapsed_ms()).text());
    }
    if tokens.request_id {
        add("X-Kong-Request-Id", exchange.id.as_bytes());
    }
    if proxied && tokens.via {
        let grpc = exchange.service.as_ref().is_some_and(|service| service.protocol.starts_with("grpc"));
        let own = if grpc { VIA_2 } else { VIA_1_1 };
        let headers = &mut exchange.response.headers;
        match seen.via.then(|| headers.joined("via")).flatten() {
            Some(before) => drop(headers.set("Via", [&before, b", ".as_slice(), own.as_bytes()].concat())),
            None => headers.append_known("Via", own.as_bytes()),
        }
    }
    if worker.settings.allow_debug_header && exchange.request.headers.contains("kong-debug") {
        add_debug(exchange);
    }
    if exchange.timeline.debugged.is_some() {
        debug::tell(exchange, collected, &worker.snapshot());
    }
}

/// Which lines that the gateway adds a response has already.
#[derive(Default)]
struct Seen {
    server: bool,
    via: bool,
    /// One that begins `X-Kong-`.
    own: bool,
}

impl Seen {
    fn of(headers: &Headers) -> Self {
        let mut seen = Self::default();
        for line in headers.lines() {
            match line.kind() {
                Name::Server => seen.server = true,
                Name::Via => seen.via = true,
                Name::XKongRequestId => seen.own = true,
                Name::Other => seen.own |= matches!(line.name(), [b'x' | b'X', b'-', b'k' | b'K', ..]),
                _ => {}
            }
        }
        seen
    }
}

/// A number as text, without an allocation.
struct Decimal {
    digits: [u8; 10],
    from: usize,
}

impl Decimal {
    fn of(value: u32) -> Self {
        let mut digits = [0; 10];
        let mut from = digits.len();
        let mut rest = value;
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Self { digits, from };
            }
        }
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

fn add_debug(exchange: &mut Exchange) {
    let route = exchange.route_entity().cloned();
    let headers = &mut exchange.response.headers;
    if let Some(route) = route {
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
