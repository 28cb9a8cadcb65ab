//! Windows by the calendar: days, weeks, months and years of a time zone, each from its own first day on.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A length of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub(crate) enum Period {
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    pub(crate) const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// `day` … `year`
    pub(crate) fn name(self) -> &'static str {
        ["day", "week", "month", "year"][self as usize]
    }

    /// The period of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    fn span(self) -> Span {
        match self {
            Self::Day => Span::new().days(1),
            Self::Week => Span::new().weeks(1),
            Self::Month => Span::new().months(1),
            Self::Year => Span::new().years(1),
        }
    }
}

/// A window, in seconds of the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// When the window before it began.
    pub(crate) before: u64,
    /// When it begins.
    pub(crate) start: u64,
    /// When it is over, and the next one begins.
    pub(crate) end: u64,
    /// When the next one is over.
    pub(crate) after: u64,
}

/// Where windows begin.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    /// The day on which weeks begin.
    week: Weekday,
    /// The day of the month on which months, and years, begin; 1 to 28, so that every month has it.
    day: i8,
    /// The month in which years begin, 1 to 12.
    month: i8,
}

/// The days of the week, as options name them.
pub(crate) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Whether a time zone is known: a name of the IANA database, or `UTC`.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("'{name}' is no time zone; name one of the IANA database, such as Europe/Berlin, or UTC"))
}

impl Calendar {
    /// With weeks that begin on the `week`th of [`WEEKDAYS`], months on that day and years in that month.
    pub(crate) fn new(zone: TimeZone, week: usize, day: u8, month: u8) -> Self {
        let weekday = i8::try_from(week).ok().and_then(|day| Weekday::from_monday_zero_offset(day).ok());
        let within = |number: u8, most: u8| number.clamp(1, most).cast_signed();
        Self { zone, week: weekday.unwrap_or(Weekday::Monday), day: within(day, 28), month: within(month, 12) }
    }

    /// The window that `now` is in.
    pub(crate) fn bounds(&self, period: Period, now: u64) -> Bounds {
        self.find(period, now).unwrap_or(Bounds { before: 0, start: 0, end: u64::MAX, after: u64::MAX })
    }

    /// `None` for times that the calendar does not reach (after the year 9999).
    fn find(&self, period: Period, now: u64) -> Option<Bounds> {
        let now = Timestamp::from_second(i64::try_from(now).ok()?).ok()?;
        let first = self.first(period, self.zone.to_datetime(now).date())?;
        let at = |steps: i64| {
            let date = first.checked_add(period.span().checked_mul(steps).ok()?).ok()?;
            // Where a day does not begin at midnight (clocks are put forward then) its first moment.
            let start = self.zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
            Some(u64::try_from(start.as_second()).unwrap_or(0))
        };
        Some(Bounds { before: at(-1)?, start: at(0)?, end: at(1)?, after: at(2)? })
    }

    /// The first day of the window that a day is in.
    fn first(&self, period: Period, today: Date) -> Option<Date> {
        let (year, month) = (today.year(), today.month());
        let (start, step) = match period {
            Period::Day => (today, period),
            Period::Week => {
                let passed = i64::from(today.weekday().since(self.week));
                (today.checked_sub(Span::new().days(passed)).ok()?, period)
            }
            Period::Month => (Date::new(year, month, self.day).ok()?, period),
            Period::Year => (Date::new(year, self.month, self.day).ok()?, period),
        };
        if start <= today { Some(start) } else { start.checked_sub(step.span()).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn second(text: &str) -> u64 {
        text.parse::<Timestamp>().expect("a time").as_second().cast_unsigned()
    }

    fn calendar(name: &str, week: usize, day: u8, month: u8) -> Calendar {
        Calendar::new(zone(name).expect("a zone"), week, day, month)
    }

    #[test]
    fn windows_follow_the_calendar_of_their_zone() {
        use Period::*;
        for (zone, week, day, month, period, now, start, end) in [
            ("UTC", 0, 1, 1, Day, "2024-02-29T23:59:59Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("UTC", 0, 1, 1, Week, "2024-02-29T12:00:00Z", "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"),
            ("UTC", 6, 1, 1, Week, "2024-02-25T00:00:00Z", "2024-02-25T00:00:00Z", "2024-03-03T00:00:00Z"),
            ("UTC", 6, 1, 1, Week, "2024-02-24T23:59:59Z", "2024-02-18T00:00:00Z", "2024-02-25T00:00:00Z"),
            ("UTC", 0, 1, 1, Month, "2025-12-31T12:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("UTC", 0, 15, 1, Month, "2025-01-14T12:00:00Z", "2024-12-15T00:00:00Z", "2025-01-15T00:00:00Z"),
            ("UTC", 0, 28, 1, Month, "2023-02-28T00:00:00Z", "2023-02-28T00:00:00Z", "2023-03-28T00:00:00Z"),
            ("UTC", 0, 1, 1, Year, "2024-06-01T00:00:00Z", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("UTC", 0, 6, 4, Year, "2024-04-05T23:59:59Z", "2023-04-06T00:00:00Z", "2024-04-06T00:00:00Z"),
            // An hour is missing on the 30th, and one comes twice on the 26th.
            ("Europe/Berlin", 0, 1, 1, Day, "2025-03-30T12:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
            ("Europe/Berlin", 0, 1, 1, Day, "2025-10-26T12:00:00Z", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
            ("Europe/Berlin", 0, 1, 1, Month, "2025-03-31T22:30:00Z", "2025-03-31T22:00:00Z", "2025-04-30T22:00:00Z"),
            ("America/New_York", 0, 1, 1, Year, "2025-01-01T04:59:59Z", "2024-01-01T05:00:00Z", "2025-01-01T05:00:00Z"),
            // There was no midnight: the day began at one.
            ("America/Sao_Paulo", 0, 1, 1, Day, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
            // A whole day was left out.
            ("Pacific/Apia", 0, 1, 1, Month, "2011-12-31T09:00:00Z", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"),
        ] {
            let bounds = calendar(zone, week, day, month).bounds(period, second(now));
            assert_eq!((bounds.start, bounds.end), (second(start), second(end)), "{zone} {period:?} of {now}");
        }
    }

    #[test]
    fn zones_that_are_none_are_refused() {
        assert!(["UTC", "Europe/Berlin", "Asia/Kolkata", "etc/gmt+5"].iter().all(|name| zone(name).is_ok()));
        let refused = zone("Mars/Olympus").unwrap_err();
        assert!(refused.contains("'Mars/Olympus' is no time zone"), "{refused}");
    }

    #[test]
    fn times_beyond_the_calendar_have_one_window() {
        assert_eq!(calendar("UTC", 0, 1, 1).bounds(Period::Year, u64::MAX).end, u64::MAX);
    }

    proptest! {
        #[test]
        fn windows_touch_and_do_not_overlap(
            now in 1_000_000_000..4_000_000_000_u64,
            name in prop::sample::select(vec!["UTC", "Europe/London", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"]),
            (week, day, month) in (0..7_usize, 1..29_u8, 1..13_u8),
            period in prop::sample::select(Period::ALL.to_vec()),
        ) {
            let calendar = calendar(name, week, day, month);
            let bounds = calendar.bounds(period, now);
            prop_assert!(bounds.start <= now && now < bounds.end, "{:?}", bounds);
            let next = calendar.bounds(period, bounds.end);
            prop_assert_eq!((next.before, next.start, next.end), (bounds.start, bounds.end, bounds.after));
            prop_assert_eq!(calendar.bounds(period, bounds.end - 1), bounds);
            prop_assert_eq!(calendar.bounds(period, bounds.start), bounds);
            prop_assert_eq!(calendar.bounds(period, bounds.start - 1).start, bounds.before);
        }
    }
}
