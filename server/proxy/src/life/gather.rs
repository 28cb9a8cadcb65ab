//! Reading a request's body before the upstream is asked, as far as it is small.
//!
//! What is gathered whole goes out in one write with its length, holds no upstream connection while a slow client
//! sends it, and can be sent again to another Target.

use bytes::{Bytes, BytesMut};
use exchange::{Body, BodyError, BodySource, Headers, Request};
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Gathers the body where it has at most `limit` bytes; of a larger one, what was read comes first when it is sent on.
pub(super) async fn gather(request: &mut Request, limit: usize) -> Result<(), BodyError> {
    if request.content_length.is_some_and(|length| length > limit as u64) {
        return Ok(());
    }
    let Body::Stream(source) = &mut request.body else { return Ok(()) };
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        match poll_fn(|context| source.poll_chunk(context)).await {
            Some(Ok(data)) if first.is_empty() && rest.is_empty() => first = data,
            Some(Ok(data)) => {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            Some(Err(error)) => return Err(error),
            None => break,
        }
        if first.len() + rest.len() > limit {
            let Body::Stream(source) = std::mem::take(&mut request.body) else { return Ok(()) };
            let begin = if rest.is_empty() { first } else { rest.freeze() };
            request.body = Body::Stream(Box::new(Begun { begin, source: Some(source), trailers: None }));
            return Ok(());
        }
    }
    let trailers = source.trailers();
    let whole = if rest.is_empty() { first } else { rest.freeze() };
    request.body = match trailers {
        // Trailers can only be sent after chunks.
        Some(_) => Body::Stream(Box::new(Begun { begin: whole, source: None, trailers })),
        None => Body::Buffered(whole),
    };
    Ok(())
}

/// A body whose beginning has been read.
struct Begun {
    begin: Bytes,
    source: Option<Box<dyn BodySource>>,
    trailers: Option<Headers>,
}

impl BodySource for Begun {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if !self.begin.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.begin))));
        }
        match &mut self.source {
            Some(source) => source.poll_chunk(context),
            None => Poll::Ready(None),
        }
    }

    fn trailers(&mut self) -> Option<Headers> {
        match &mut self.source {
            Some(source) => source.trailers(),
            None => self.trailers.take(),
        }
    }
}
