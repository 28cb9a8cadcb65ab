//! Periods of time and the windows they cut time into: by the calendar, in UTC.

/// A period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub(crate) enum Period {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

const DAY: u64 = 86_400;

impl Period {
    pub(crate) const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Year];

    /// `second` … `year`
    pub(crate) fn name(self) -> &'static str {
        ["second", "minute", "hour", "day", "month", "year"][self as usize]
    }

    /// `X-RateLimit-Limit-<Period>`
    pub(crate) fn limit_header(self) -> &'static str {
        [
            "X-RateLimit-Limit-Second",
            "X-RateLimit-Limit-Minute",
            "X-RateLimit-Limit-Hour",
            "X-RateLimit-Limit-Day",
            "X-RateLimit-Limit-Month",
            "X-RateLimit-Limit-Year",
        ][self as usize]
    }

    /// `X-RateLimit-Remaining-<Period>`
    pub(crate) fn remaining_header(self) -> &'static str {
        [
            "X-RateLimit-Remaining-Second",
            "X-RateLimit-Remaining-Minute",
            "X-RateLimit-Remaining-Hour",
            "X-RateLimit-Remaining-Day",
            "X-RateLimit-Remaining-Month",
            "X-RateLimit-Remaining-Year",
        ][self as usize]
    }

    /// Its nominal length in seconds: a month has 30 days, a year 365.
    pub(crate) fn length(self) -> u64 {
        [1, 60, 3600, DAY, 30 * DAY, 365 * DAY][self as usize]
    }

    /// When the window that `now` is in began; seconds of the Unix epoch.
    pub(crate) fn start(self, now: u64) -> u64 {
        match self {
            Self::Second | Self::Minute | Self::Hour | Self::Day => now - now % self.length(),
            Self::Month => {
                let (year, month) = civil(now / DAY);
                days(year, month) * DAY
            }
            Self::Year => days(civil(now / DAY).0, 1) * DAY,
        }
    }

    /// When the window that `now` is in ends, and the next one begins.
    pub(crate) fn end(self, now: u64) -> u64 {
        match self {
            Self::Second | Self::Minute | Self::Hour | Self::Day => self.start(now) + self.length(),
            Self::Month => match civil(now / DAY) {
                (year, 12) => days(year + 1, 1) * DAY,
                (year, month) => days(year, month + 1) * DAY,
            },
            Self::Year => days(civil(now / DAY).0 + 1, 1) * DAY,
        }
    }

    /// Seconds until a client may try again, as Kong tells them: the nominal length less what has passed of the
    /// window, at least one. In a month of 31 days the last one counts as one second, therefore.
    pub(crate) fn reset(self, now: u64) -> u64 {
        self.length().saturating_sub(now - self.start(now)).max(1)
    }
}

/// Year and month (1 to 12) of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: u64) -> (u64, u64) {
    // Years are counted from March here, so that the leap day is a year's last; 719,468 days lie between
    // 0000-03-01 and the epoch, and 146,097 make 400 years.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3) } else { (year + 1, month - 9) }
}

/// Days from 1970-01-01 to the first day of a month; years from 1970.
fn days(year: u64, month: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year / 400, year % 400);
    era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_follow_the_calendar() {
        // 2024-02-29T23:59:59Z, a leap day; 2025-12-31T12:34:56Z; 1970-01-01T00:00:00Z.
        for (now, period, start, end) in [
            (1_709_251_199, Period::Second, 1_709_251_199, 1_709_251_200),
            (1_709_251_199, Period::Minute, 1_709_251_140, 1_709_251_200),
            (1_709_251_199, Period::Hour, 1_709_247_600, 1_709_251_200),
            (1_709_251_199, Period::Day, 1_709_164_800, 1_709_251_200),
            (1_709_251_199, Period::Month, 1_706_745_600, 1_709_251_200),
            (1_709_251_199, Period::Year, 1_704_067_200, 1_735_689_600),
            (1_767_184_496, Period::Month, 1_764_547_200, 1_767_225_600),
            (1_767_184_496, Period::Year, 1_735_689_600, 1_767_225_600),
            (0, Period::Month, 0, 31 * DAY),
            (0, Period::Year, 0, 365 * DAY),
        ] {
            assert_eq!((period.start(now), period.end(now)), (start, end), "{period:?} of {now}");
        }
    }

    #[test]
    fn reset_counts_down_and_never_reaches_zero() {
        for (now, period, reset) in [
            (1_709_251_199, Period::Second, 1),
            (1_709_251_199, Period::Hour, 1),
            (1_709_247_600, Period::Hour, 3600),
            (1_764_547_200, Period::Month, 30 * DAY),
            (1_767_184_496, Period::Month, 1),
            (1_735_689_600, Period::Year, 365 * DAY),
        ] {
            assert_eq!(period.reset(now), reset, "{period:?} of {now}");
        }
    }

    proptest! {
        #[test]
        fn windows_touch_and_do_not_overlap(now in 0..10_000_000_000_u64, period in 0..6_usize) {
            let period = Period::ALL[period];
            let (start, end) = (period.start(now), period.end(now));
            prop_assert!(start <= now && now < end);
            prop_assert_eq!(period.start(end), end);
            prop_assert_eq!(period.start(end - 1), start);
            prop_assert_eq!(period.end(start), end);
            prop_assert!((1..=period.length()).contains(&period.reset(now)));
        }
    }
}
