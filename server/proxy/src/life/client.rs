//! The side of a connection that a request came from, whatever protocol it speaks.

use crate::h1::write::Length;
use crate::sweep::Deadline;
use crate::upstream::wire::Wire;
use bytes::Bytes;
use exchange::{Exchange, Headers, Response};
use std::future::Future;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

/// Takes the response to one request. Content is queued by [`Client::push`] and goes out by [`Client::poll_flush`]; a
/// caller that finds the client full flushes before it pushes more, which is all of the back-pressure.
pub trait Client {
    /// The time limit of the task that serves this request.
    fn deadline(&self) -> &Deadline;

    /// Ready when the client has gone away. Asked only while [`Client::is_body_done`].
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Whether the request's body has been read to its end.
    fn is_body_done(&self) -> bool;

    /// Queues an interim response (1xx), where the client's protocol has them.
    fn informational(&mut self, response: &Response);

    /// Queues the head of the response. `bodiless`: no content will follow, whatever `length` says.
    fn head(&mut self, exchange: &mut Exchange, length: Length, bodiless: bool);

    /// Queues the head of a response that switches protocols; a [`Client::tunnel`] follows.
    fn switch(&mut self, exchange: &mut Exchange);

    /// Whether nothing more may be pushed before a flush.
    fn is_full(&self) -> bool;

    /// Queues content. False where it is more than the head has promised: the response must be cut.
    fn push(&mut self, data: Bytes) -> bool;

    /// Queues the end. False where less came than the head has promised: the response must be cut.
    fn finish(&mut self, trailers: Option<&Headers>) -> bool;

    /// Sends what is queued; ready when all has gone.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// What is queued goes out by the next [`Client::poll_flush`] as far as the connection takes it at once: there will be
    /// no other.
    fn hurry(&mut self) {}

    /// Ends the response so that the client cannot take it for whole.
    fn cut(&mut self);

    /// Passes bytes both ways until both sides have ended or nothing moved for `idle`. Returns the bytes sent to the
    /// client.
    fn tunnel(&mut self, wire: Wire, idle: Duration) -> impl Future<Output = u64>;
}
