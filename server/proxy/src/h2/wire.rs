//! One request on a stream of an upstream connection: it goes out, its answer comes in. Everything is polled.

use super::fields::{trailer_map, trailers_of};
use super::lines::Lease;
use super::response;
use crate::h1::response_head::{Answered, HeadError};
use crate::upstream::call::Sent;
use crate::upstream::wire::{Blocked, UploadError, WireError, poll_body};
use ::h2::client::ResponseFuture;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::{Bytes, BytesMut};
use exchange::{Body, BodyError, Headers, Response};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Uri};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Pieces of a body are put together up to this size, in bytes.
const PIECE: usize = 16 * 1024;

/// How far the request has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// Only what is queued is left.
    Queued,
    /// The body is pulled from the client.
    Pulling,
    /// All of it has gone.
    Done,
    /// The upstream takes no more.
    Broken,
}

/// A request on its way, with its share of a connection. Dropped before its end, it resets the stream.
pub struct Wire {
    lease: Lease,
    answer: Option<ResponseFuture>,
    send: SendStream<Bytes>,
    recv: Option<RecvStream>,
    upload: Upload,
    piece: Bytes,
    /// The request's trailers, which go after the last piece.
    closing: Option<HeaderMap>,
    ended: bool,
    pulled: bool,
    refused: bool,
    heard: bool,
    wrote: bool,
    /// What [`Wire::poll_upload`] waits for, when it does.
    pub blocked: Blocked,
    trailers: Option<Headers>,
}

/// The head of a request as HTTP/2 sends it. `text` is the head that HTTP/1 would write, see `h1::write`. `None` where
/// host or path are nothing a URI can hold.
pub fn request(
    method: &[u8],
    tls: bool,
    host: &[u8],
    path: &[u8],
    query: Option<&[u8]>,
    text: &[u8],
) -> Option<http::Request<()>> {
    let mut target = Vec::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    target.extend_from_slice(path);
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(Authority::try_from(host).ok()?);
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?);
    let mut request = http::Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = response::map_of_text(text);
    Some(request)
}

impl Wire {
    /// Opens a stream. The body is `at_hand`, or (`pulled`) what the client's body source gives.
    pub fn open(
        mut lease: Lease,
        request: http::Request<()>,
        at_hand: Bytes,
        pulled: bool,
    ) -> Result<Self, ::h2::Error> {
        let ended = at_hand.is_empty() && !pulled;
        let (answer, send) = lease.open(request, ended)?;
        Ok(Self {
            lease,
            answer: Some(answer),
            send,
            recv: None,
            upload: match (ended, pulled) {
                (true, _) => Upload::Done,
                (_, true) => Upload::Pulling,
                _ => Upload::Queued,
            },
            piece: at_hand,
            closing: None,
            ended,
            pulled: false,
            refused: false,
            heard: false,
            wrote: true,
            blocked: Blocked::Upstream,
            trailers: None,
        })
    }

    /// Whether the whole request has gone out.
    pub fn is_uploaded(&self) -> bool {
        self.upload == Upload::Done
    }

    /// Whether more of the request can go out.
    pub fn is_uploading(&self) -> bool {
        matches!(self.upload, Upload::Queued | Upload::Pulling)
    }

    /// Whether bytes were handed on since this was asked last.
    pub fn progressed(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// How far the request got. One that the upstream says it did not begin with (RFC 9113 §8.7) can go out again,
    /// whatever it asks for.
    pub fn sent(&self) -> Sent {
        Sent { stale: self.refused || (self.lease.reused() && !self.heard), began: !self.refused, pulled: self.pulled }
    }

    /// Sends as much as goes; ready when all of the request has gone.
    pub fn poll_upload(&mut self, context: &mut Context<'_>, body: &mut Body) -> Poll<Result<(), UploadError>> {
        loop {
            self.blocked = Blocked::Upstream;
            if let Err(error) = ready!(self.poll_send(context)) {
                self.upload = Upload::Broken;
                return Poll::Ready(Err(UploadError::Upstream(error)));
            }
            match self.upload {
                Upload::Done | Upload::Broken => return Poll::Ready(Ok(())),
                Upload::Queued => {
                    self.upload = Upload::Done;
                    if !self.ended {
                        self.end();
                    }
                }
                Upload::Pulling => {
                    self.blocked = Blocked::Client;
                    if let Err(error) = ready!(self.poll_pull(context, body)) {
                        self.upload = Upload::Broken;
                        return Poll::Ready(Err(UploadError::Client(error)));
                    }
                }
            }
        }
    }

    /// Takes what is there of the body, small pieces together: an upstream may count frames.
    fn poll_pull(&mut self, context: &mut Context<'_>, body: &mut Body) -> Poll<Result<(), BodyError>> {
        let mut more = BytesMut::new();
        let pulled = loop {
            match poll_body(body, context) {
                Poll::Ready(Some(Ok(data))) if self.piece.is_empty() => self.piece = data,
                Poll::Ready(Some(Ok(data))) => {
                    if more.is_empty() {
                        more.reserve(PIECE * 2);
                        more.extend_from_slice(&self.piece);
                    }
                    more.extend_from_slice(&data);
                }
                Poll::Ready(Some(Err(error))) => break Poll::Ready(Err(error)),
                Poll::Ready(None) => {
                    self.upload = Upload::Queued;
                    break Poll::Ready(Ok(()));
                }
                Poll::Pending if self.piece.is_empty() => break Poll::Pending,
                Poll::Pending => break Poll::Ready(Ok(())),
            }
            if self.piece.len().max(more.len()) >= PIECE {
                break Poll::Ready(Ok(()));
            }
        };
        if !more.is_empty() {
            self.piece = more.freeze();
        }
        self.pulled |= !self.piece.is_empty();
        if self.upload == Upload::Queued {
            if let Body::Stream(source) = body {
                self.closing = source.trailers().as_ref().and_then(trailer_map);
            }
            if self.piece.is_empty() {
                self.end();
            }
        }
        pulled
    }

    fn end(&mut self) {
        self.ended = true;
        // Where the stream is gone the answer's side tells.
        let _ = match self.closing.take() {
            Some(trailers) => self.send.send_trailers(trailers),
            None => self.send.send_data(Bytes::new(), true),
        };
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.piece.is_empty() {
            self.send.reserve_capacity(self.piece.len());
            let room = match self.send.capacity() {
                0 => match ready!(self.send.poll_capacity(context)) {
                    Some(room) => room.map_err(io::Error::other)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                room => room,
            };
            let data = self.piece.split_to(room.min(self.piece.len()));
            self.ended = self.upload == Upload::Queued && self.piece.is_empty() && self.closing.is_none();
            self.send.send_data(data, self.ended).map_err(io::Error::other)?;
            self.wrote = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The next head: an interim one or the answer's.
    pub fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        head_request: bool,
        response: &mut Response,
    ) -> Poll<Result<Answered, WireError>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Err(WireError::Closed)) };
        match answer.poll_informational(context) {
            Poll::Ready(Some(Ok(head))) => {
                self.heard = true;
                return Poll::Ready(Ok(response::read(head.status(), head.headers(), true, head_request, response)));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.failed(&error))),
            Poll::Ready(None) | Poll::Pending => {}
        }
        match ready!(Pin::new(answer).poll(context)) {
            Ok(head) => {
                self.heard = true;
                self.answer = None;
                let (parts, recv) = head.into_parts();
                let ended = recv.is_end_stream();
                let answered = response::read(parts.status, &parts.headers, ended, head_request, response);
                self.recv = (!ended).then_some(recv);
                Poll::Ready(Ok(answered))
            }
            Err(error) => Poll::Ready(Err(self.failed(&error))),
        }
    }

    fn failed(&mut self, error: &::h2::Error) -> WireError {
        let unprocessed = error.is_remote()
            && match error.reason() {
                Some(Reason::REFUSED_STREAM) => error.is_reset(),
                Some(Reason::NO_ERROR) => error.is_go_away(),
                _ => false,
            };
        self.refused |= unprocessed && !self.heard;
        match () {
            () if error.is_io() || error.is_remote() => WireError::Closed,
            () => WireError::Head(HeadError::Malformed),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            let Some(recv) = &mut self.recv else { return Poll::Ready(None) };
            let error = match ready!(recv.poll_data(context)) {
                Some(Ok(data)) => {
                    // One piece at a time leaves this window: it is asked for when the client has taken the last.
                    let _ = recv.flow_control().release_capacity(data.len());
                    if data.is_empty() {
                        continue;
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                None => match ready!(recv.poll_trailers(context)) {
                    Ok(trailers) => {
                        self.trailers = trailers.as_ref().and_then(trailers_of);
                        self.recv = None;
                        return Poll::Ready(None);
                    }
                    Err(error) => error,
                },
                Some(Err(error)) => error,
            };
            return Poll::Ready(Some(Err(self.failed(&error))));
        }
    }

    /// The answer's trailers, after its end.
    pub fn take_trailers(&mut self) -> Option<Headers> {
        self.trailers.take()
    }
}
