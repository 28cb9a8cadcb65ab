//! Bodies packed with gzip (RFC 1952), unpacked within a bound.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use std::io::{self, Write};

/// Packs a body.
pub(crate) fn pack(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2 + 32), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

/// Unpacks a whole body of at most `limit` bytes.
///
/// # Errors
/// It is not packed like this, or larger.
pub(crate) fn unpack(packed: &[u8], limit: usize) -> io::Result<Bytes> {
    let mut decoder = MultiGzDecoder::new(Bounded { out: Vec::new(), limit });
    decoder.write_all(packed)?;
    Ok(decoder.finish()?.out.into())
}

/// Unpacks a body that comes in pieces.
pub(crate) struct Unpacker(MultiGzDecoder<Bounded>);

impl Unpacker {
    /// One piece may become `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self(MultiGzDecoder::new(Bounded { out: Vec::new(), limit }))
    }

    /// What a piece becomes, as far as it is known.
    ///
    /// # Errors
    /// It is not packed like this, or the piece becomes too large.
    pub(crate) fn feed(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(packed)?;
        self.0.flush()?;
        Ok(std::mem::take(&mut self.0.get_mut().out))
    }
}

/// Memory that takes so much and no more.
struct Bounded {
    out: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.out.len() + data.len() > self.limit {
            return Err(io::Error::other(format!("it has more than {} bytes", self.limit)));
        }
        self.out.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_large_or_not_packed_is_refused() {
        let packed = pack(&[b'x'; 5000]);
        assert!(packed.len() < 200 && unpack(&packed, 4999).is_err());
        assert_eq!(unpack(&packed, 5000).expect("unpacked"), vec![b'x'; 5000]);
        assert!(unpack(b"plain", 100).is_err() && Unpacker::new(100).feed(b"plain text").is_err());
    }

    proptest! {
        #[test]
        fn pieces_are_unpacked_as_they_come(text in "[a-c]{0,400}", cut in 1..40_usize) {
            let packed = pack(text.as_bytes());
            let mut unpacker = Unpacker::new(1000);
            let mut out = Vec::new();
            for piece in packed.chunks(cut) {
                out.extend(unpacker.feed(piece).expect("packed"));
            }
            prop_assert_eq!(out, text.as_bytes());
            prop_assert_eq!(unpack(&packed, 1000).expect("packed"), text.as_bytes());
        }
    }
}
