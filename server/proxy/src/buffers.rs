//! What the connections of a worker share: read buffers and Exchanges that pass from request to request, so that the hot
//! path allocates neither and idle connections hold none; and the Outbox.

use bytes::BytesMut;
use exchange::directory::Nobody;
use exchange::{Directory, Exchange, Request, Timeline};
use outbox::Outbox;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Size of a read buffer. Only the part that was written to costs memory.
pub const BUFFER_SIZE: usize = 64 * 1024;

/// What is copied behind a head so that both go out in one plain write; larger pieces go out beside it. A vectored write
/// costs the kernel more than copying this much.
pub const COPY_LIMIT: usize = 16 * 1024;

/// At most this many idle buffers (and Exchanges) are kept per worker.
const KEPT: usize = 64;

/// The idle buffers and Exchanges of one worker; the last one given is the first taken, so it is warm.
pub struct Buffers {
    buffers: RefCell<Vec<BytesMut>>,
    texts: RefCell<Vec<Vec<u8>>>,
    // Boxed: an Exchange is large and must not be moved between list and connection.
    #[expect(clippy::vec_box)]
    exchanges: RefCell<Vec<Box<Exchange>>>,
    nobody: Arc<dyn Directory>,
    /// Where cleartext connections leave what they have to send; `None` = each writes by itself.
    pub outbox: Option<Rc<Outbox>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            buffers: RefCell::default(),
            texts: RefCell::default(),
            exchanges: RefCell::default(),
            nobody: Arc::new(Nobody),
            outbox: None,
        }
    }
}

impl Buffers {
    /// No buffers yet, and this Outbox.
    pub fn with(outbox: Option<Rc<Outbox>>) -> Self {
        Self { outbox, ..Self::default() }
    }

    /// An empty buffer with room for [`BUFFER_SIZE`] bytes.
    #[inline]
    pub fn take(&self) -> BytesMut {
        if let Some(mut buffer) = self.buffers.borrow_mut().pop()
            // Fails where a slice of the buffer lives on; by now that is rare. Else the whole of it is there again.
            && buffer.try_reclaim(BUFFER_SIZE)
        {
            return buffer;
        }
        BytesMut::with_capacity(BUFFER_SIZE)
    }

    /// Gives a buffer back; what is left in it is lost.
    #[inline]
    pub fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    }

    /// An empty vector for text that is about to be written.
    #[inline]
    pub fn take_text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    /// Gives a vector back.
    #[inline]
    pub fn give_text(&self, mut text: Vec<u8>) {
        let mut texts = self.texts.borrow_mut();
        if texts.len() < KEPT && text.capacity() <= BUFFER_SIZE {
            text.clear();
            texts.push(text);
        }
    }

    /// An Exchange with nothing in it.
    #[inline]
    pub fn take_exchange(&self) -> Box<Exchange> {
        let kept = self.exchanges.borrow_mut().pop();
        kept.unwrap_or_else(|| Box::new(Exchange::new(Request::default(), Timeline::default(), self.nobody.clone())))
    }

    /// Gives an Exchange back, whatever is in it.
    #[inline]
    pub fn give_exchange(&self, mut exchange: Box<Exchange>) {
        exchange.retire();
        let mut exchanges = self.exchanges.borrow_mut();
        if exchanges.len() < KEPT {
            exchanges.push(exchange);
        }
    }

    /// Lets go of every Exchange: each still holds the directory of its last request.
    pub fn forget_exchanges(&self) {
        self.exchanges.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_whole() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"0123456789");
        drop(buffer.split_to(4).freeze());
        buffers.give(buffer);
        let buffer = buffers.take();
        assert!(buffer.is_empty() && buffer.capacity() >= BUFFER_SIZE);
        assert!(buffers.buffers.borrow().is_empty());
    }

    #[test]
    fn a_buffer_of_which_a_slice_lives_on_is_not_written_to() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"0123456789");
        let slice = buffer.split_to(4).freeze();
        buffers.give(buffer);
        let mut other = buffers.take();
        other.extend_from_slice(b"xxxxxxxxxx");
        assert_eq!(slice, b"0123".as_slice());
    }
}
