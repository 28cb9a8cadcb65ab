//! Who a request is in a distributed trace: its ids, and the hooks by which the engine lets it be traced.

use crate::Exchange;
use crate::request_id::random;
use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Id of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Id of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// A random id.
    pub fn fresh() -> Self {
        let (high, low) = random();
        Self(((u128::from(high) << 64) | u128::from(low.max(1))).to_be_bytes())
    }

    /// The first eight bytes as a number: what ratio sampling compares.
    pub fn high(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 64) as u64
    }

    /// 32 lower-case hexadecimal digits.
    pub fn hex(self) -> String {
        self.to_string()
    }
}

impl SpanId {
    /// A random id.
    pub fn fresh() -> Self {
        Self(random().0.max(1).to_be_bytes())
    }

    /// 16 lower-case hexadecimal digits.
    pub fn hex(self) -> String {
        self.to_string()
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut text = [0; 32];
    for (index, byte) in bytes.iter().enumerate() {
        text[index * 2] = DIGITS[usize::from(byte >> 4)];
        text[index * 2 + 1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(std::str::from_utf8(&text[..bytes.len() * 2]).unwrap_or_default())
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request's place in a trace. Made once, at its start; spans are rendered with these ids after the last byte, so a
/// plugin that finds another parent may still change them during rewrite and access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The request's own span, the root of what this node adds.
    pub span_id: SpanId,
    /// The caller's span.
    pub parent: Option<SpanId>,
    /// The span that the upstream is told as its parent: the last try of the balancer, or the request's own.
    pub upstream: SpanId,
    /// Whether spans are recorded.
    pub sampled: bool,
    /// Set by whoever has put trace headers into the request itself (a tracing plugin): no others are added.
    pub propagated: bool,
}

/// Traces requests. The engine calls each method on the worker; none may wait.
pub trait Tracer: Send + Sync {
    /// The head was read, nothing was done with it: decides, and sets [`Exchange::trace`].
    fn begin(&self, exchange: &mut Exchange);

    /// The head is about to be written upstream, after access: tells the upstream its parent by headers. Called once,
    /// whatever the number of tries.
    fn inject(&self, exchange: &mut Exchange);

    /// The Exchange is over.
    fn finished(&self, exchange: &Exchange);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| TraceId::fresh()).collect();
        assert_eq!(ids.len(), 1000);
        assert_eq!(TraceId([0xab; 16]).hex(), "ab".repeat(16));
        assert_eq!(SpanId([0, 1, 2, 3, 4, 5, 6, 0xff]).hex(), "00010203040506ff");
        assert_eq!(TraceId([255; 16]).high(), u64::MAX);
    }
}
