//! The id of a request, shown as `X-Kong-Request-Id`: 32 hexadecimal digits.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// 32 lower-case hexadecimal digits (nginx's `$request_id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 32]);

thread_local! {
    /// State of a per-worker xorshift128+, seeded from the operating system through `RandomState`.
    static STATE: Cell<(u64, u64)> = Cell::new((seed(1), seed(2)));
}

/// Every byte in hexadecimal digits.
const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

fn seed(tweak: u64) -> u64 {
    RandomState::new().hash_one(tweak) | 1
}

/// 128 bits that are random enough for ids, and for nothing else.
pub(crate) fn random() -> (u64, u64) {
    STATE.with(|state| (next(state), next(state)))
}

impl RequestId {
    /// A fresh id, unique with the odds of 128 random bits. It names a request; it is no secret.
    pub fn fresh() -> Self {
        let (high, low) = random();
        let mut out = [0; 32];
        let bytes = high.to_be_bytes().into_iter().chain(low.to_be_bytes());
        for (digits, byte) in out.chunks_exact_mut(2).zip(bytes) {
            digits.copy_from_slice(&DIGITS[usize::from(byte)]);
        }
        Self(out)
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The 32 digits as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn next(state: &Cell<(u64, u64)>) -> u64 {
    let (mut x, y) = state.get();
    x ^= x << 23;
    let z = x ^ y ^ (x >> 17) ^ (y >> 26);
    state.set((y, z));
    z.wrapping_add(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RequestId::fresh()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.as_str().len() == 32 && id.as_str().bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
