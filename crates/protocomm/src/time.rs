//! The time, as the caller tells it.
//!
//! Nothing in this crate reads a clock: the time comes in as an argument, and the next deadline
//! goes out as an answer. Any monotonic millisecond count serves; its zero has no meaning.

use core::ops::Add;
use core::time::Duration;

/// A point in time, in milliseconds of a monotonic clock of the caller's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// The point `millis` milliseconds after the zero of the caller's clock.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the zero of the caller's clock.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        // `Duration::as_millis` works in 128 bits, which a 32-bit chip pays for in flash.
        let millis = duration
            .as_secs()
            .saturating_mul(1000)
            .saturating_add(u64::from(duration.subsec_millis()));
        Self(self.0.saturating_add(millis))
    }
}
