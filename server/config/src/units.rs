//! nginx's sizes (`512k`, `10m`, `1g`) and times (`60s`, `1h30m`, `500ms`).

use std::time::Duration;

/// Bytes of a size: a number with an optional `k`, `m` or `g`, either case.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits_of(digits)?.checked_mul(factor)
}

/// A time: numbers with the units `ms s m h d w M y`, greatest first, seconds where no unit stands.
pub fn time(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, u64)] = &[
        ("y", 31_536_000_000),
        ("M", 2_592_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut milliseconds: u64 = 0;
    let mut smallest = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = digits_of(&rest[..end])?;
        let tail = &rest[end..];
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(tail.len());
        let unit = if unit_end == 0 { "s" } else { &tail[..unit_end] };
        let position = UNITS.iter().position(|(name, _)| *name == unit)?;
        if position < smallest {
            return None;
        }
        smallest = position + 1;
        milliseconds = milliseconds.checked_add(number.checked_mul(UNITS[position].1)?)?;
        rest = tail[unit_end..].trim_start();
    }
    Some(Duration::from_millis(milliseconds))
}

fn digits_of(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("0", Some(0)),
            ("512", Some(512)),
            ("8k", Some(8192)),
            ("10M", Some(10 << 20)),
            ("1g", Some(1 << 30)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1.5m", None),
            ("10mb", None),
            ("99999999999999999999", None),
            ("18446744073709551615g", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("60", Some(60_000)),
            ("60s", Some(60_000)),
            ("1d", Some(86_400_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1m500ms", Some(60_500)),
            ("", None),
            ("s", None),
            ("1x", None),
            ("1s1h", None),
            ("é", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(time(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }
}
