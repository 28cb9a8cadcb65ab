//! The life of an Exchange: rewrite, route, access, balance and send, response, log. Knows no protocol of the client's
//! side; see [`Client`].

pub(crate) mod access;
mod client;
mod debug;
mod forward;
mod gather;
pub(crate) mod guard;
mod hashing;
mod multiplexed;
pub(crate) mod peer;
mod relay;
mod respond;
pub(crate) mod routed;

pub use client::Client;

use crate::h1::refusal::Refusal;
use crate::worker::Worker;
use exchange::{Answer, Directory, Exchange, Flow, Instance, Phases, Stamp};
use smallvec::SmallVec;
use snapshot::{Chain, CompiledRoute, CompiledService, Snapshot};
use std::sync::Arc;

/// The plugins that take part in the phases of the response.
pub(crate) type Collected<'s> = SmallVec<[&'s Arc<dyn Instance>; 8]>;

/// Status that is logged where the client went away before it was answered.
const CLIENT_GONE: u16 = 499;

/// What follows access.
enum Next<'s> {
    /// An answer made here.
    Answer(Box<Answer>),
    /// The upstream is asked.
    Ask(&'s CompiledRoute, &'s CompiledService),
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it was sent.
    Sent,
    /// The client did not get all of it, or nothing.
    Gone,
}

/// Serves one request from its head to its log entry. `refused` tells that the head was none that may go on.
pub async fn live<C: Client>(client: &mut C, exchange: &mut Exchange, refused: Option<Refusal>, worker: &Worker) {
    let snapshot = worker.snapshot();
    // An Exchange that served a request before knows this Snapshot most often.
    if !std::ptr::addr_eq(Arc::as_ptr(&exchange.directory), Arc::as_ptr(&snapshot)) {
        exchange.directory = Arc::clone(&snapshot) as Arc<dyn Directory>;
    }
    exchange.request.client_head = exchange.request.method.as_slice() == b"HEAD";
    if let Some(tracer) = &worker.shared.tracer {
        tracer.begin(exchange);
    }
    if let Some(watcher) = &worker.watcher {
        watcher.borrow_mut().begin(exchange);
    }
    if let (Some(token), None) = (&worker.settings.debug_token, &refused) {
        debug::begin(exchange, token);
    }
    exchange.timeline.exact = worker.shared.observer.is_some()
        || exchange.timeline.watched
        || exchange.timeline.debugged.is_some()
        || exchange.trace.as_ref().is_some_and(|trace| trace.sampled);
    let mut collected = Collected::new();
    let next = match refused {
        Some(refusal) => {
            tracing::info!(reason = %refusal, peer = ?exchange.request.peer, "client sent an invalid request");
            access::collect(snapshot.global_chain(), exchange, &mut collected);
            Next::Answer(Box::new(refusal.answer()))
        }
        None => before(exchange, &snapshot, &mut collected).await,
    };
    let end = match next {
        Next::Answer(answer) => respond::made(client, exchange, *answer, false, &collected, worker).await,
        Next::Ask(route, service) => ask(client, exchange, (route, service), &snapshot, &collected, worker).await,
    };
    if exchange.timeline.exact {
        exchange.timeline.mark(Stamp::Finished);
    }
    if end == End::Gone {
        client.cut();
        if exchange.response.status == 0 {
            exchange.response.status = CLIENT_GONE;
        }
    }
    for instance in &collected {
        if instance.phases().has(Phases::LOG) {
            exchange.timeline.mark(Stamp::Finished);
            let start = debug::now(exchange);
            let _ = guard::call(instance.name(), "log", || instance.log(exchange));
            debug::spend(exchange, instance.name(), "log", start);
        }
    }
    if exchange.timeline.debugged.is_some() {
        debug::log(exchange, &collected, &snapshot);
    }
    if let Some(observer) = &worker.shared.observer {
        observer.finished(exchange);
    }
    if let Some(tracer) = &worker.shared.tracer {
        tracer.finished(exchange);
    }
    if let Some(watcher) = &worker.watcher {
        watcher.borrow_mut().finished(exchange);
    }
}

/// Rewrite, routing and access.
async fn before<'s>(exchange: &mut Exchange, snapshot: &'s Snapshot, collected: &mut Collected<'s>) -> Next<'s> {
    for instance in snapshot.global_chain().rewrite() {
        let start = access::begin(exchange);
        let flow = guard::step(instance.name(), "rewrite", || instance.rewrite(exchange)).await;
        access::note(exchange, instance.name(), "rewrite", start);
        if let Flow::Answer(answer) = flow {
            access::collect(snapshot.global_chain(), exchange, collected);
            return Next::Answer(answer);
        }
    }
    let Some(route) = routed::find(exchange, snapshot) else {
        access::collect(snapshot.global_chain(), exchange, collected);
        return Next::Answer(Box::new(routed::nothing()));
    };
    let chain: &Chain = &route.chain;
    if let Some(answer) = routed::refuse(route, exchange) {
        access::collect(chain, exchange, collected);
        return Next::Answer(Box::new(answer));
    }
    if !chain.is_empty() {
        let answer = access::run(chain, exchange, collected).await;
        exchange.timeline.mark(Stamp::Accessed);
        exchange.timeline.exact |= collected.iter().any(|instance| instance.phases().has(Phases::LOG));
        if let Some(answer) = answer {
            return Next::Answer(answer);
        }
    } else if let Some(at) = exchange.timeline.at(Stamp::Routed) {
        exchange.timeline.mark_at(Stamp::Accessed, at);
    }
    match &route.service {
        Some(service) => Next::Ask(route, service),
        None => Next::Answer(Box::new(routed::no_service())),
    }
}

/// Asks the upstream and passes its answer on.
async fn ask<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    (route, service): (&CompiledRoute, &CompiledService),
    snapshot: &Snapshot,
    collected: &Collected<'_>,
    worker: &Worker,
) -> End {
    if let Some(tracer) = &worker.shared.tracer {
        tracer.inject(exchange);
    }
    let wanted = exchange.forward.instead.as_deref();
    let wanted = wanted.map(|wanted| service.instead(wanted, worker.shared.targets.trust()).map(Box::new));
    let service = match &wanted {
        None => service,
        Some(Ok(own)) => own,
        Some(Err(error)) => {
            tracing::error!("TLS as a plugin wants it: {error}");
            return respond::made(client, exchange, Answer::page(502), false, collected, worker).await;
        }
    };
    match forward::send(client, exchange, (route, service), snapshot, worker).await {
        Ok(answered) => relay::respond(client, exchange, answered, service, collected, worker).await,
        Err(forward::Failure::Answer { answer, proxied }) => {
            respond::made(client, exchange, *answer, proxied, collected, worker).await
        }
        Err(forward::Failure::Gone) => End::Gone,
    }
}
