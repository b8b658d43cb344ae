//! From when to when a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use crate::InvalidRequest;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The years that certificates can express with their two kinds of dates.
const YEARS: std::ops::RangeInclusive<i32> = 1950..=9999;

/// A certificate's dates, both inclusive, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Validity {
    /// From yesterday, so that a clock that is a little slow does no harm, for so many days from
    /// now.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest::Validity`] if that ends after the year 9999.
    pub fn days(days: u32) -> Result<Self, InvalidRequest> {
        let now = SystemTime::now();
        let end = now
            .checked_add(DAY.saturating_mul(days))
            .ok_or(InvalidRequest::Validity)?;
        Self::between(now - DAY, end)
    }

    /// From one time to another, for certificates that are expired or not yet valid.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest::Validity`] if the second is not after the first, or one of them is not
    /// within the years 1950 to 9999.
    pub fn between(not_before: SystemTime, not_after: SystemTime) -> Result<Self, InvalidRequest> {
        let ordered = not_before < not_after;
        if ordered && date(not_before).is_some() && date(not_after).is_some() {
            Ok(Self {
                not_before,
                not_after,
            })
        } else {
            Err(InvalidRequest::Validity)
        }
    }

    /// The first moment at which the certificate is valid.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment at which the certificate is valid.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(crate) fn apply(&self, params: &mut rcgen::CertificateParams) {
        // Both were dates when this was made.
        params.not_before = date(self.not_before).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        params.not_after = date(self.not_after).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    }
}

fn date(time: SystemTime) -> Option<OffsetDateTime> {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_secs()).ok()?,
    };
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    YEARS.contains(&date.year()).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_order_and_expressible() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(Validity::between(at(0), at(1)).is_ok());
        assert!(Validity::between(UNIX_EPOCH - DAY, at(1)).is_ok());
        for (from, to) in [
            (at(1), at(1)),
            (at(2), at(1)),
            (at(0), at(253_402_300_800)),
            (UNIX_EPOCH - 365 * 30 * DAY, at(1)),
        ] {
            assert_eq!(Validity::between(from, to), Err(InvalidRequest::Validity));
        }
        assert!(Validity::between(at(0), at(253_402_300_799)).is_ok());
        assert_eq!(Validity::days(u32::MAX), Err(InvalidRequest::Validity));
    }
}
