//! Tracing of requests: the decision at their start, the headers sent upstream, the spans at their end.

use super::render::render;
use super::w3c::{self, Parent};
use super::{Kinds, Rate};
use crate::export::Queue;
use exchange::{Exchange, SpanId, TraceContext, TraceId, Tracer};

/// Traces the proxy's requests. Decides by the caller's `traceparent` where there is a valid one, else by the rate.
pub struct RequestTracer {
    kinds: Kinds,
    rate: Rate,
    queue: Queue,
}

impl RequestTracer {
    /// A tracer that makes spans of those kinds and hands them to the queue of an exporter.
    pub fn new(kinds: Kinds, rate: Rate, queue: Queue) -> Self {
        Self { kinds, rate, queue }
    }
}

/// Has every request noted call by call, for plugins that make spans of it, where the node itself sends none.
pub struct Detailed;

impl Tracer for Detailed {
    fn begin(&self, exchange: &mut Exchange) {
        exchange.timeline.detail = true;
    }

    fn inject(&self, _: &mut Exchange) {}

    fn finished(&self, _: &Exchange) {}
}

/// The caller, where exactly one valid `traceparent` tells of it.
fn parent(exchange: &Exchange) -> Option<Parent> {
    let mut lines = exchange.request.headers.get_all("traceparent");
    let only = lines.next().filter(|_| lines.next().is_none())?;
    w3c::parse(only)
}

impl Tracer for RequestTracer {
    fn begin(&self, exchange: &mut Exchange) {
        let parent = parent(exchange);
        let trace_id = parent.map_or_else(TraceId::fresh, |parent| parent.trace_id);
        let sampled = parent.map_or_else(|| self.rate.takes(trace_id.high()), |parent| parent.sampled);
        let span_id = SpanId::fresh();
        // The last try of the balancer is the upstream's parent; its id has to be known before it is made.
        let upstream = if sampled && self.kinds.any(Kinds::BALANCER) { SpanId::fresh() } else { span_id };
        let parent = parent.map(|parent| parent.span_id);
        exchange.trace = Some(TraceContext { trace_id, span_id, parent, upstream, sampled, propagated: false });
        if sampled && self.kinds.any(Kinds::DETAIL) {
            exchange.timeline.detail = true;
        }
    }

    fn inject(&self, exchange: &mut Exchange) {
        let Some(trace) = exchange.trace.filter(|trace| !trace.propagated) else { return };
        let headers = &mut exchange.request.headers;
        // Without a valid parent the trace begins here, and a state of another is meaningless (§3.3).
        let state_ok = trace.parent.is_some() && w3c::is_tracestate(headers.get_all("tracestate"));
        if !state_ok && headers.contains("tracestate") {
            headers.remove("tracestate");
        }
        // A caller that does not record is passed on as it is: no span of ours stands between.
        if trace.sampled || trace.parent.is_none() {
            let parent = Parent { trace_id: trace.trace_id, span_id: trace.upstream, sampled: trace.sampled };
            headers.set("traceparent", w3c::format(&parent));
        }
    }

    fn finished(&self, exchange: &Exchange) {
        if let Some(trace) = exchange.trace.filter(|trace| trace.sampled) {
            self.queue.push(render(exchange, &trace, self.kinds));
        }
    }
}
