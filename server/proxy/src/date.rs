//! The `Date` header (RFC 9110 §5.6.7), written once a second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// The date of the current second, as text.
pub struct Date(Cell<(u64, [u8; 29])>);

impl Default for Date {
    fn default() -> Self {
        Self(Cell::new((u64::MAX, [b' '; 29])))
    }
}

impl Date {
    /// The text for a moment, for instance `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn at(&self, now: SystemTime) -> [u8; 29] {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (of, text) = self.0.get();
        if of == seconds {
            return text;
        }
        let text = format(seconds);
        self.0.set((seconds, text));
        text
    }
}

/// IMF-fixdate of seconds since 1970.
fn format(seconds: u64) -> [u8; 29] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    // Civil date of a day count: years begin in March, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    let year = (year_of_era + era * 400 + u64::from(month < 2)) % 10_000;
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let mut two = |at: usize, value: u64| {
        text[at] = b'0' + (value / 10 % 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    two(5, day);
    two(12, year / 100);
    two(14, year % 100);
    two(17, seconds / 3600 % 24);
    two(20, seconds / 60 % 60);
    two(23, seconds % 60);
    text[..3].copy_from_slice(DAYS[(days % 7) as usize].as_bytes());
    text[8..11].copy_from_slice(MONTHS[month as usize].as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            let date = Date::default();
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(std::str::from_utf8(&date.at(moment)), Ok(text));
            assert_eq!(std::str::from_utf8(&date.at(moment)), Ok(text));
        }
    }
}
