//! Dates for people, and for certificates.

use core::fmt;

/// A calendar date and time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year, 1970 and up.
    pub year: u32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59: Unix time knows no leap second.
    pub second: u8,
}

impl Date {
    /// The date of an instant in seconds since 1970 UTC. Years beyond 2^32 saturate.
    #[must_use]
    pub fn from_unix_s(unix_s: u64) -> Self {
        let days = unix_s / 86_400;
        let time = (unix_s % 86_400) as u32;
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: the
        // year begins in March, so that the leap day is its last.
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = (shifted % 146_097) as u32;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + u64::from(year_of_era) + u64::from(month <= 2);
        Self {
            year: u32::try_from(year).unwrap_or(u32::MAX),
            month: month as u8,
            day: day as u8,
            hour: (time / 3_600) as u8,
            minute: (time / 60 % 60) as u8,
            second: (time % 60) as u8,
        }
    }
}

/// As in RFC 3339, with a space and without the zone: `2026-11-22 19:55:13`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// A time by which certificates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970 UTC.
    pub unix_s: u64,
    /// Whether it is a lower bound and nothing more: what has expired by then has expired, but what
    /// is not valid yet may be by now.
    pub is_floor: bool,
}

impl From<u64> for Moment {
    /// A time that is known.
    fn from(unix_s: u64) -> Self {
        let is_floor = false;
        Self { unix_s, is_floor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn dates_agree_with_the_calendar() {
        // From `date -u -d @N`.
        for (unix_s, date) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (1_795_377_313, "2026-11-22 19:55:13"),
        ] {
            assert_eq!(Date::from_unix_s(unix_s).to_string(), date);
        }
        assert_eq!(Date::from_unix_s(u64::MAX).year, u32::MAX);
    }
}
