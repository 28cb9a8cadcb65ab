//! The chunked transfer coding (RFC 9112 §7.1), read strictly: what one reader could take for the end of a chunk and
//! another for its content is an error.

use super::names;
use bytes::{Buf, Bytes, BytesMut};
use exchange::Headers;

/// Digits of a chunk's size: 2^60 bytes are enough for anyone.
const MAX_DIGITS: u8 = 15;

/// Bytes that chunk extensions of one body may take in all; they carry nothing for us.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Bytes a trailer section may take.
const MAX_TRAILERS: usize = 8 * 1024;
const MAX_TRAILER_LINES: usize = 64;

/// What a decoder found.
#[derive(Debug)]
pub enum Piece {
    /// Content; never empty.
    Data(Bytes),
    /// The end, with the trailer section where it has lines.
    End(Option<Box<Headers>>),
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The size line.
    #[error("a chunk's size is malformed")]
    Size,
    /// More digits than any size has.
    #[error("a chunk's size is too large")]
    SizeTooLarge,
    /// Extensions beyond all use.
    #[error("the chunk extensions are too large")]
    Extensions,
    /// Content that goes on where the chunk should be over.
    #[error("a chunk does not end where its size says")]
    End,
    /// The trailer section.
    #[error("the trailer section is malformed or too large")]
    Trailers,
}

impl ChunkError {
    /// As a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Size => "a chunk's size is malformed",
            Self::SizeTooLarge => "a chunk's size is too large",
            Self::Extensions => "the chunk extensions are too large",
            Self::End => "a chunk does not end where its size says",
            Self::Trailers => "the trailer section is malformed or too large",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Digits of a size.
    Size { value: u64, digits: u8 },
    /// White space after the size.
    Space { value: u64 },
    /// After `;`, up to the CR.
    Extension { value: u64, quoted: bool, escaped: bool },
    /// The LF of the size line.
    SizeEnd { value: u64 },
    /// Content.
    Data { left: u64 },
    /// The CR after the content.
    DataCr,
    /// The LF after it.
    DataLf,
    /// The trailer section, from its beginning.
    Trailers,
    /// Everything was read.
    Done,
}

/// Takes a chunked body apart, however it is split into reads.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    extensions: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, extensions: 0 }
    }
}

impl Decoder {
    /// The next piece in `input`, which it is taken out of; `None` where more must be read first. After the end the
    /// rest of `input` belongs to the next message.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, ChunkError> {
        loop {
            match self.state {
                State::Data { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let length = left.min(input.len() as u64) as usize;
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                    return Ok(Some(Piece::Data(input.split_to(length).freeze())));
                }
                State::Trailers => return self.trailers(input),
                State::Done => return Ok(Some(Piece::End(None))),
                _ => {
                    if !self.line(input)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether the end was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads what stands between two contents; false where it is not all there.
    fn line(&mut self, input: &mut BytesMut) -> Result<bool, ChunkError> {
        let mut used = 0;
        for byte in input.iter() {
            used += 1;
            self.state = match (self.state, *byte) {
                (State::Size { value, digits }, byte) if byte.is_ascii_hexdigit() => {
                    if digits == MAX_DIGITS {
                        return Err(ChunkError::SizeTooLarge);
                    }
                    let digit = char::from(byte).to_digit(16).unwrap_or_default();
                    State::Size { value: value * 16 + u64::from(digit), digits: digits + 1 }
                }
                (State::Size { digits: 0, .. }, _) => return Err(ChunkError::Size),
                (State::Size { value, .. } | State::Space { value }, b'\r') => State::SizeEnd { value },
                (State::Size { value, .. } | State::Space { value }, b';') => {
                    State::Extension { value, quoted: false, escaped: false }
                }
                (State::Size { value, .. } | State::Space { value }, b' ' | b'\t') => {
                    self.extension()?;
                    State::Space { value }
                }
                (State::Extension { value, quoted: false, .. }, b'\r') => State::SizeEnd { value },
                (State::Extension { value, quoted, escaped }, byte) => {
                    if byte < b' ' && byte != b'\t' || byte == 0x7f {
                        return Err(ChunkError::Size);
                    }
                    self.extension()?;
                    match (quoted, escaped, byte) {
                        (true, true, _) => State::Extension { value, quoted, escaped: false },
                        (true, false, b'\\') => State::Extension { value, quoted, escaped: true },
                        (_, _, b'"') => State::Extension { value, quoted: !quoted, escaped: false },
                        _ => State::Extension { value, quoted, escaped: false },
                    }
                }
                (State::SizeEnd { value: 0 }, b'\n') => State::Trailers,
                (State::SizeEnd { value }, b'\n') => State::Data { left: value },
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
                (State::DataCr | State::DataLf, _) => return Err(ChunkError::End),
                _ => return Err(ChunkError::Size),
            };
            if matches!(self.state, State::Data { .. } | State::Trailers) {
                input.advance(used);
                return Ok(true);
            }
        }
        input.advance(used);
        Ok(false)
    }

    fn extension(&mut self) -> Result<(), ChunkError> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS { Err(ChunkError::Extensions) } else { Ok(()) }
    }

    fn trailers(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, ChunkError> {
        if input.starts_with(b"\r\n") {
            input.advance(2);
            self.state = State::Done;
            return Ok(Some(Piece::End(None)));
        }
        let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
            // A line that ends in LF alone would never be found; the limit catches it.
            return if input.len() > MAX_TRAILERS { Err(ChunkError::Trailers) } else { Ok(None) };
        };
        let length = end + 4;
        if length > MAX_TRAILERS {
            return Err(ChunkError::Trailers);
        }
        let section = input.split_to(length).freeze();
        let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILER_LINES];
        match httparse::parse_headers(&section, &mut lines) {
            Ok(httparse::Status::Complete((read, lines))) if read == length => {
                let mut headers = Headers::default();
                for line in lines {
                    if names::may_trail(line.name.as_bytes()) {
                        headers.append(line.name, line.value);
                    }
                }
                self.state = State::Done;
                Ok(Some(Piece::End((!headers.is_empty()).then(|| Box::new(headers)))))
            }
            _ => Err(ChunkError::Trailers),
        }
    }
}

/// Writes the line before a chunk's content.
pub fn write_size(out: &mut Vec<u8>, size: usize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut rest = size;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk with the trailer section.
pub fn write_end(out: &mut Vec<u8>, trailers: Option<&Headers>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.iter().flat_map(|trailers| trailers.iter()) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "chunked_tests.rs"]
mod tests;
