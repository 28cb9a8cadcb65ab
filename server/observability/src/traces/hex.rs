//! Ids as hexadecimal digits.

/// Digits as a number, at most so many; `None` where there is another character, or none at all.
pub fn number(text: &[u8], most: usize) -> Option<u128> {
    if text.is_empty() || text.len() > most {
        return None;
    }
    text.iter().try_fold(0, |sum, byte| Some(sum << 4 | u128::from(char::from(*byte).to_digit(16)?)))
}

/// Exactly one of these numbers of digits, as a number.
pub fn exact(text: &[u8], lengths: &[usize]) -> Option<u128> {
    lengths.contains(&text.len()).then(|| number(text, 32)).flatten()
}

/// Decimal digits of a number of 64 bits.
pub fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}
