//! An upstream's answer on its way to the client.

use super::client::Client;
use super::forward::Upstream;
use super::respond::{add_headers, body_filter, filters_bodies, header_filter, response, whole};
use super::{Collected, End};
use crate::h1::head::content_length;
use crate::h1::names::{self, Name};
use crate::h1::response_head::{Answered, Framing};
use crate::h1::write::{self, Length};
use crate::upstream::call::Call;
use crate::upstream::wire::UploadError;
use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use exchange::{Answer, Chunk, Exchange, Source, Stamp};
use snapshot::CompiledService;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The largest answer that is held in memory for a plugin that wants it whole.
const BUFFER_LIMIT: usize = 64 << 20;

/// Passes the answer on, through the phases of the response.
pub(super) async fn respond<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    upstream: Upstream,
    service: &CompiledService,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    let Upstream { mut wire, answered, cookie, _counted } = upstream;
    exchange.response.source = Source::Service;
    exchange.response.upstream_status = exchange.response.status;
    remove_hop_by_hop(exchange, &answered);
    if let Some(cookie) = cookie {
        exchange.response.headers.append("Set-Cookie", cookie);
    }
    if exchange.response.status == 101 {
        return Box::pin(switch(client, exchange, wire, service, collected, worker)).await;
    }
    if exchange.buffer_response {
        return Box::pin(buffered(client, exchange, wire, service, collected, worker)).await;
    }
    if header_filter(exchange, collected, worker) {
        // A plugin's own answer; what the upstream would have sent is of no interest.
        drop(wire);
        return whole(client, exchange, true, collected, worker).await;
    }
    add_headers(exchange, true, collected, worker);
    let (length, bodiless) = length(exchange, &answered, collected);
    client.head(exchange, length, bodiless);
    exchange.timeline.mark_near(Stamp::Headed, Stamp::Answered);
    let mut relay = Relay {
        filters: filters_bodies(collected),
        bodiless,
        over: false,
        waited: false,
        headed: false,
        waits_for: Waits::Nothing,
        read_timeout: service.read_timeout,
        send_timeout: worker.settings.send_timeout,
    };
    let end = poll_fn(|context| relay.poll(context, client, exchange, &mut wire, collected)).await;
    client.deadline().disarm();
    if end == End::Sent {
        wire.finish(&worker.pool, worker.deadlines.now());
    }
    end
}

/// How the content goes to the client, and whether none does.
fn length(exchange: &Exchange, answered: &Answered, collected: &Collected<'_>) -> (Length, bool) {
    let response = &exchange.response;
    if matches!(response.status, 100..=199 | 204) {
        return (Length::None, true);
    }
    // Only a plugin can have changed it.
    let known = match collected.is_empty() {
        true => answered.length,
        false => response.headers.get("content-length").and_then(content_length),
    };
    // A plugin may have made HEAD of another method, or another method of HEAD.
    let head = exchange.request.client_head;
    match answered.framing {
        Framing::None if !head && exchange.request.method.as_slice() == b"HEAD" && response.status != 304 => {
            (Length::Known(0), false)
        }
        Framing::None => (known.map_or(Length::None, Length::Known), true),
        Framing::Length(length) if known == Some(length) => (Length::Known(length), head),
        Framing::Length(_) | Framing::Chunked | Framing::Close => (Length::Chunked, head || response.status == 304),
    }
}

/// Removes what was meant for the upstream's connection alone (RFC 9110 §7.6.1), as far as reading the head has left
/// it: what depends on the request, and what the upstream lists.
fn remove_hop_by_hop(exchange: &mut Exchange, answered: &Answered) {
    let request = &exchange.request.headers;
    let switches = exchange.response.status == 101;
    let headers = &mut exchange.response.headers;
    if !answered.sifted {
        return;
    }
    headers.retain(|name, value| match names::classify(name) {
        Name::Connection | Name::KeepAlive | Name::ProxyConnection | Name::TransferEncoding | Name::Te => false,
        Name::Upgrade => switches || request.get("upgrade").is_some_and(|asked| asked.eq_ignore_ascii_case(value)),
        Name::Trailer => request.get_all("te").any(|value| names::has_token(value, "trailers")),
        _ => true,
    });
    if !answered.hop_by_hop.is_empty() {
        headers.retain(|name, _| !answered.hop_by_hop.iter().any(|option| option.eq_ignore_ascii_case(name)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Nothing,
    Upstream,
    Client,
}

/// Content on its way. One piece is under way at a time: the upstream is read when the client has taken the last.
struct Relay {
    filters: bool,
    bodiless: bool,
    over: bool,
    /// Whether either side was waited for.
    waited: bool,
    /// Whether the head, come alone, has given its content the time of one turn of the event loop to catch up.
    headed: bool,
    waits_for: Waits,
    read_timeout: Duration,
    send_timeout: Duration,
}

impl Relay {
    fn poll<C: Client>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        exchange: &mut Exchange,
        wire: &mut Call,
        collected: &Collected<'_>,
    ) -> Poll<End> {
        if wire.is_uploading()
            && let Poll::Ready(Err(UploadError::Client(_))) = wire.poll_upload(context, &mut exchange.request.body)
        {
            return Poll::Ready(End::Gone);
        }
        loop {
            if self.over || client.is_full() {
                match client.poll_flush(context) {
                    Poll::Ready(Ok(())) if self.over => return Poll::Ready(End::Sent),
                    Poll::Ready(Ok(())) => self.waits_for = Waits::Nothing,
                    Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
                    Poll::Pending => return self.wait(Waits::Client, client),
                }
            }
            match wire.poll_body(context) {
                Poll::Ready(Some(Ok(data))) => {
                    self.waits_for = Waits::Nothing;
                    if !self.pass(data, false, client, exchange, collected) {
                        return Poll::Ready(End::Gone);
                    }
                }
                Poll::Ready(None) => {
                    match self.waited {
                        // All of it came with the head.
                        false => exchange.timeline.mark_near(Stamp::Received, Stamp::Headed),
                        true => exchange.timeline.mark(Stamp::Received),
                    }
                    exchange.response.trailers = wire.take_trailers();
                    let passed = !self.filters || self.pass(Bytes::new(), true, client, exchange, collected);
                    if !passed || !(client.finish(exchange.response.trailers.as_deref()) || self.bodiless) {
                        return Poll::Ready(End::Gone);
                    }
                    self.over = true;
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(upstream = ?exchange.upstream_address, %error, "an answer broke off");
                    // What came whole still goes out; then the connection is cut.
                    client.hurry();
                    let _ = client.poll_flush(context);
                    return Poll::Ready(End::Gone);
                }
                Poll::Pending => {
                    // Many upstreams write head and content one after the other: together they are one write, not two.
                    if !self.headed {
                        self.headed = true;
                        let _ = pin!(tokio::task::yield_now()).poll(context);
                        return Poll::Pending;
                    }
                    match client.poll_flush(context) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
                        Poll::Pending => return self.wait(Waits::Client, client),
                    }
                    if client.is_body_done() && client.poll_gone(context).is_ready() {
                        return Poll::Ready(End::Gone);
                    }
                    return self.wait(Waits::Upstream, client);
                }
            }
        }
    }

    /// Shows a piece to the filters and queues what they leave of it.
    fn pass<C: Client>(
        &self,
        data: Bytes,
        last: bool,
        client: &mut C,
        exchange: &mut Exchange,
        collected: &Collected<'_>,
    ) -> bool {
        let mut chunk = Chunk { data, last };
        if self.filters && !body_filter(exchange, collected, &mut chunk) {
            return false;
        }
        exchange.response.body_sent += chunk.data.len() as u64;
        self.bodiless || client.push(chunk.data)
    }

    fn wait<C: Client>(&mut self, whom: Waits, client: &C) -> Poll<End> {
        let deadline = client.deadline();
        self.waited = true;
        if self.waits_for != whom {
            self.waits_for = whom;
            deadline.arm(if whom == Waits::Client { self.send_timeout } else { self.read_timeout });
        } else if deadline.expired() {
            return Poll::Ready(End::Gone);
        }
        Poll::Pending
    }
}

/// Reads the whole answer before the phases of the response.
async fn buffered<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    mut wire: Call,
    service: &CompiledService,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    let mut whole_body = BytesMut::new();
    let mut waiting = false;
    let read = poll_fn(|context| {
        loop {
            match wire.poll_body(context) {
                Poll::Ready(Some(Ok(data))) if whole_body.len() + data.len() <= BUFFER_LIMIT => {
                    waiting = false;
                    whole_body.extend_from_slice(&data);
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(_)) => return Poll::Ready(Err(502)),
                Poll::Pending => {
                    if client.is_body_done() && client.poll_gone(context).is_ready() {
                        return Poll::Ready(Err(0));
                    }
                    if !std::mem::replace(&mut waiting, true) {
                        client.deadline().arm(service.read_timeout);
                    } else if client.deadline().expired() {
                        return Poll::Ready(Err(504));
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await;
    client.deadline().disarm();
    match read {
        Ok(()) => {
            exchange.timeline.mark(Stamp::Received);
            exchange.response.body = whole_body.freeze();
            exchange.response.trailers = wire.take_trailers();
            wire.finish(&worker.pool, worker.deadlines.now());
        }
        Err(0) => return End::Gone,
        Err(status) => exchange.answer(Answer::page(status), &worker.settings.errors),
    }
    if exchange.is_proxied() {
        response(exchange, collected, worker).await;
    }
    header_filter(exchange, collected, worker);
    whole(client, exchange, true, collected, worker).await
}

/// The protocol changes: the head goes to the client, then bytes both ways.
async fn switch<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    wire: Call,
    service: &CompiledService,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    if header_filter(exchange, collected, worker) {
        drop(wire);
        return whole(client, exchange, true, collected, worker).await;
    }
    add_headers(exchange, true, collected, worker);
    debug_assert!(write::upgrade(&exchange.request).is_some());
    // HTTP/2 upstreams have no such answer.
    let Call::H1(wire) = wire else { return End::Gone };
    client.switch(exchange);
    exchange.timeline.mark(Stamp::Headed);
    exchange.response.body_sent = client.tunnel(*wire, service.read_timeout).await;
    exchange.timeline.mark(Stamp::Received);
    End::Sent
}
