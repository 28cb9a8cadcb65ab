//! Messages in a gRPC stream: a byte that tells their kind, four for the length, the message itself.

use bytes::{Buf, Bytes, BytesMut};

/// The largest message that is put together from pieces, in bytes.
const LIMIT: usize = 64 << 20;

const HEAD: usize = 5;

/// A message as it stands in a stream. `kind` is 0 for a plain message, 0x80 for trailers of gRPC-Web.
pub(crate) fn frame(kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(HEAD + message.len());
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// What came of a stream and was not yet taken as a message.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    waiting: BytesMut,
    /// Whether messages ended: where one begins cannot be told behind one that could not be read.
    foreign: bool,
}

/// The next of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A plain message.
    Message(Bytes),
    /// More has to come first.
    Incomplete,
    /// No message that could be read begins here: compressed, too large, or no gRPC at all. Nothing else follows: whoever
    /// is told takes the [`Frames::rest`], now and after each further piece, so that nothing gathers here.
    Foreign,
}

impl Frames {
    /// Adds a piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// Takes the next message out.
    pub(crate) fn next(&mut self) -> Next {
        if self.foreign {
            return Next::Foreign;
        }
        let [kind, a, b, c, d, ..] = self.waiting[..] else { return Next::Incomplete };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind != 0 || length > LIMIT {
            self.foreign = true;
            return Next::Foreign;
        }
        if self.waiting.len() < HEAD + length {
            return Next::Incomplete;
        }
        self.waiting.advance(HEAD);
        Next::Message(self.waiting.split_to(length).freeze())
    }

    /// Takes out all that is left.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.waiting.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_message_is_told() {
        for (stream, next) in [
            (&b"\0\0\0\0"[..], Next::Incomplete),
            (b"\0\0\0\0\x02a", Next::Incomplete),
            (b"\0\0\0\0\0", Next::Message(Bytes::new())),
            (b"\0\0\0\0\x01ab", Next::Message(Bytes::from_static(b"a"))),
            (b"\x01\0\0\0\x01a", Next::Foreign),
            (b"\0\xff\0\0\0a", Next::Foreign),
            (b"{\"message\":1}", Next::Foreign),
        ] {
            let mut frames = Frames::default();
            frames.push(stream);
            assert_eq!(frames.next(), next, "{stream:?}");
        }
    }

    #[test]
    fn what_is_foreign_stays_so_and_is_passed_on() {
        let mut frames = Frames::default();
        frames.push(&[&frame(0, b"a")[..], b"\x01\0\0\0\x01b"].concat());
        assert_eq!(frames.next(), Next::Message(Bytes::from_static(b"a")));
        assert_eq!((frames.next(), frames.rest()), (Next::Foreign, Bytes::from_static(b"\x01\0\0\0\x01b")));
        // What looks like a message may be the middle of something.
        for piece in [&frame(0, b"c")[..], b"\0", b""] {
            frames.push(piece);
            assert_eq!((frames.next(), frames.rest()), (Next::Foreign, Bytes::copy_from_slice(piece)));
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6), cut in 1..9_usize,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| frame(0, message)).collect();
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for piece in stream.chunks(cut) {
                frames.push(piece);
                while let Next::Message(message) = frames.next() {
                    out.push(message.to_vec());
                }
            }
            prop_assert_eq!(out, messages);
            prop_assert!(frames.rest().is_empty());
        }
    }
}
