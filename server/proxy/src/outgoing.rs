//! What waits to be written on one connection.

use crate::buffers::{Buffers, COPY_LIMIT};
use crate::stream::Socket;
use bytes::{Buf, Bytes};
use outbox::Sending;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Text, which heads and small pieces of content are copied into, and behind it at most one larger piece.
#[derive(Default)]
pub(crate) struct Outgoing {
    text: Vec<u8>,
    at: usize,
    piece: Bytes,
    /// Text that the Outbox has; what is above comes after it.
    sending: Option<Sending>,
    /// Whether the connection writes by itself until all has gone: its socket has no room and is waited for, or there is
    /// no next turn.
    direct: bool,
    unflushed: bool,
}

impl Outgoing {
    /// What waits is this text.
    pub fn of(text: Vec<u8>) -> Self {
        Self { text, unflushed: true, ..Self::default() }
    }

    /// Where text is written to.
    pub fn text(&mut self, buffers: &Buffers) -> &mut Vec<u8> {
        if self.text.capacity() == 0 {
            self.text = buffers.take_text();
        }
        self.unflushed = true;
        &mut self.text
    }

    /// Queues content: a small piece as text. There must be no larger one before it. True where it was copied.
    pub fn push(&mut self, data: Bytes, buffers: &Buffers) -> bool {
        let small = data.len() <= COPY_LIMIT;
        if small {
            self.text(buffers).extend_from_slice(&data);
        } else {
            self.piece = data;
            self.unflushed = true;
        }
        small
    }

    /// Makes text of the larger piece, if there is one.
    pub fn level(&mut self, buffers: &Buffers) {
        let piece = std::mem::take(&mut self.piece);
        if !piece.is_empty() {
            self.text(buffers).extend_from_slice(&piece);
        }
    }

    /// What waits does not wait for the Outbox: the connection may not see its next turn.
    pub fn hurry(&mut self) {
        self.direct = true;
    }

    /// Whether anything has not been written yet.
    pub fn is_waiting(&self) -> bool {
        self.at < self.text.len() || !self.piece.is_empty() || self.sending.is_some()
    }

    /// Whether as much waits as should.
    pub fn is_full(&self) -> bool {
        !self.piece.is_empty() || self.sending.is_some() || self.text.len() - self.at > COPY_LIMIT * 2
    }

    /// Writes; ready with the number of bytes that were taken, which is 0 when all has been written and flushed.
    pub fn poll_write<Io: Socket>(
        &mut self,
        io: &mut Io,
        buffers: &Buffers,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(sending) = &mut self.sending {
            let (sent, result) = ready!(sending.poll(context));
            self.sending = None;
            let taken = self.settle(sent, result, buffers)?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
        let (has_text, has_piece) = (self.at < self.text.len(), !self.piece.is_empty());
        if !has_text && !has_piece {
            return self.poll_flush(io, buffers, context);
        }
        if !has_piece && self.at == 0 && !self.direct && self.send(io, buffers, context) {
            return Poll::Pending;
        }
        let text = &self.text[self.at..];
        let io = Pin::new(io);
        let written = match (has_text, has_piece) {
            (true, true) => {
                let parts = [IoSlice::new(text), IoSlice::new(&self.piece)];
                ready!(io.poll_write_vectored(context, &parts))?
            }
            (true, false) => ready!(io.poll_write(context, text))?,
            (false, _) => ready!(io.poll_write(context, &self.piece))?,
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_text = written.min(text.len());
        self.at += of_text;
        self.piece.advance(written - of_text);
        Poll::Ready(Ok(written))
    }

    /// Gives the text to the Outbox, where this is a connection that it can write to.
    fn send<Io: Socket>(&mut self, io: &Io, buffers: &Buffers, context: &Context<'_>) -> bool {
        let (Some(outbox), Some(socket)) = (&buffers.outbox, io.socket()) else { return false };
        match outbox.queue(socket, std::mem::take(&mut self.text), context.waker()) {
            Ok(sending) => self.sending = Some(sending),
            Err(text) => self.text = text,
        }
        self.sending.is_some()
    }

    /// What the Outbox was given is over; what the socket did not take comes before what was queued since.
    fn settle(&mut self, mut sent: Vec<u8>, result: io::Result<usize>, buffers: &Buffers) -> io::Result<usize> {
        let taken = match result {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            result => result?,
        };
        if taken >= sent.len() {
            buffers.give_text(sent);
        } else {
            sent.extend_from_slice(&self.text[self.at..]);
            buffers.give_text(std::mem::replace(&mut self.text, sent));
            self.at = taken;
            self.direct = true;
        }
        Ok(taken)
    }

    fn poll_flush<Io: Socket>(
        &mut self,
        io: &mut Io,
        buffers: &Buffers,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(context))?;
            self.release(buffers);
        }
        Poll::Ready(Ok(0))
    }

    /// Lets go of everything, written or not.
    pub fn release(&mut self, buffers: &Buffers) {
        if self.text.capacity() > 0 {
            buffers.give_text(std::mem::take(&mut self.text));
        }
        *self = Self::default();
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
