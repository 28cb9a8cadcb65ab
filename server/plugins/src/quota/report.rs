//! What clients are told of their quota.

use super::config::HeaderNames;
use exchange::Headers;

/// A window as a request found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What it holds: the allowance, what was carried over, and what it was raised by.
    pub(super) limit: u64,
    /// What was used, this request not counted.
    pub(super) used: u64,
    /// When it is over, in seconds of the Unix epoch.
    pub(super) end: u64,
}

/// The window with least left, after `weight` more units; among equals the one that ends last.
pub(super) fn tightest(found: &[Found], weight: u64) -> Option<(u64, u64, u64)> {
    let left = |found: &Found| found.limit.saturating_sub(found.used.saturating_add(weight));
    let found = found.iter().min_by_key(|found| (left(found), std::cmp::Reverse(found.end)))?;
    Some((found.limit, left(found), found.end))
}

/// Writes the headers.
pub(super) fn write(names: &HeaderNames, (limit, left, end): (u64, u64, u64), now: u64, headers: &mut Headers) -> u64 {
    let reset = end.saturating_sub(now).max(1);
    for (name, value) in [(&names.limit, limit), (&names.remaining, left), (&names.reset, reset)] {
        headers.set(name, value.to_string());
    }
    reset
}

/// What a response says that its request weighs; one where it says nothing that makes sense.
pub(super) fn weight(headers: &Headers, name: &str) -> u64 {
    let text = headers.get_str(name).map(str::trim);
    // The node counts to some 10¹²: a single request has no sensible weight beyond.
    text.and_then(|text| text.parse().ok()).map_or(1, |weight: u64| weight.min(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_window_is_told() {
        let found = |limit, used, end| Found { limit, used, end };
        for (windows, weight, told) in [
            (&[found(10, 3, 100)][..], 1, Some((10, 6, 100))),
            (&[found(10, 3, 100)], 0, Some((10, 7, 100))),
            (&[found(10, 3, 100)], 50, Some((10, 0, 100))),
            (&[found(10, 3, 100), found(5, 1, 90)], 1, Some((5, 3, 90))),
            (&[found(5, 1, 100), found(10, 6, 900)], 1, Some((10, 3, 900))),
            (&[], 1, None),
        ] {
            assert_eq!(tightest(windows, weight), told);
        }
    }

    #[test]
    fn weights_are_whole_numbers() {
        for (text, expected) in
            [("7", 7), (" 7 ", 7), ("0", 0), ("-1", 1), ("1.5", 1), ("many", 1), ("99999999999999", 1_000_000_000)]
        {
            let headers: Headers = [("X-Cost", text)].into_iter().collect();
            assert_eq!(weight(&headers, "x-cost"), expected, "{text}");
        }
        assert_eq!(weight(&Headers::default(), "x-cost"), 1);
    }
}
