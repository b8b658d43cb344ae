//! Calendar time: where the wall clock stands against the time since boot, and how it is set.
//!
//! Samples carry the time since boot; only when they are sent does [`Clock`] turn it into a real
//! time stamp, so that a clock set late, or corrected, is right for all of them.

use core::cell::Cell;

use embassy_time::{Duration, Instant};

use crate::calendar::Moment;
use crate::event::ClockSource;

/// The clocks of one device: time since boot, and the calendar.
pub struct Clock {
    /// When the device was started. Not always instant 0: a simulated device boots many times.
    start: Instant,
    /// Milliseconds between 1970 UTC and boot, once known.
    boot: Cell<Option<(u64, ClockSource)>>,
    doubted: Cell<bool>,
    /// When a time server last told the time.
    asked: Cell<Option<Instant>>,
    /// As `boot` was when a certificate was last found valid.
    proven: Cell<Option<u64>>,
}

/// How far a clock may have been moved since a certificate was found valid, and still be proven.
const PROVEN_WITHIN_MS: u64 = 3_600_000;

impl Clock {
    /// The clock of a device that boots now; its calendar has not been set.
    #[must_use]
    pub fn boot() -> Self {
        Self::since(Instant::now())
    }

    /// The clock of a device that was started at `start`; its calendar has not been set.
    #[must_use]
    pub fn since(start: Instant) -> Self {
        Self {
            start,
            boot: Cell::new(None),
            doubted: Cell::new(false),
            asked: Cell::new(None),
            proven: Cell::new(None),
        }
    }

    /// Milliseconds since boot.
    #[must_use]
    pub fn uptime_ms(&self) -> u64 {
        self.start.elapsed().as_millis()
    }

    /// Milliseconds between boot and this instant, whenever it is asked: of instants on a grid of whole
    /// milliseconds it makes a grid. An instant before boot is boot.
    #[must_use]
    pub fn uptime_ms_at(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.start).as_millis()
    }

    /// Sets the clock: it is `unix_ms` now.
    pub fn set(&self, unix_ms: u64, source: ClockSource) {
        let boot = unix_ms.saturating_sub(self.uptime_ms());
        self.boot.set(Some((boot, source)));
        self.doubted.set(false);
        if source == ClockSource::Sntp {
            self.asked.set(Some(Instant::now()));
        }
    }

    /// Whether a time server told the time in this life, and no longer ago than this.
    #[must_use]
    pub fn is_fresh(&self, within: Duration) -> bool {
        let asked = self.asked.get();
        asked.is_some_and(|asked| asked.elapsed() < within)
    }

    /// A certificate was found valid at the present time.
    pub fn prove(&self) {
        self.proven.set(self.boot.get().map(|(boot, _)| boot));
    }

    /// Whether a certificate was found valid in this life, and the clock was not moved far since:
    /// somebody else than a time server vouches for it.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        match (self.boot.get(), self.proven.get()) {
            (Some((boot, _)), Some(proven)) => boot.abs_diff(proven) < PROVEN_WITHIN_MS,
            _ => false,
        }
    }

    /// The time does not fit the dates of certificates: only a time server's word counts, until
    /// the clock is set again.
    pub fn doubt(&self) {
        self.doubted.set(true);
    }

    /// Trusts the time as it is, again.
    pub fn trust(&self) {
        self.doubted.set(false);
    }

    /// Whether the time is doubted.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.doubted.get()
    }

    /// Milliseconds since 1970 UTC, as well as they are known; none if not at all.
    #[must_use]
    pub fn now_unix_ms(&self) -> Option<u64> {
        let (boot, _) = self.boot.get()?;
        Some(boot.saturating_add(self.uptime_ms()))
    }

    /// The time by which to judge certificates; 1970 where none is known, by which none is valid.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            unix_s: self.now_unix_ms().unwrap_or(0) / 1_000,
            is_floor: self.source() == Some(ClockSource::Floor),
        }
    }

    /// It is at least this late, as the date says from which a certificate is valid that was found
    /// good otherwise: a clock that is a lower bound is set to it, if that is later.
    pub fn raise(&self, unix_s: u64) {
        let moment = self.moment();
        if moment.is_floor && moment.unix_s < unix_s {
            self.set(unix_s.saturating_mul(1_000), ClockSource::Floor);
        }
    }

    /// The time stamp of something that happened `uptime_ms` after boot; none unless the time is
    /// known for certain.
    #[must_use]
    pub fn stamp(&self, uptime_ms: u64) -> Option<u64> {
        match self.boot.get()? {
            (_, ClockSource::Floor) => None,
            (boot, _) => Some(boot.saturating_add(uptime_ms)),
        }
    }

    /// Where the time came from; none if it is not known.
    #[must_use]
    pub fn source(&self) -> Option<ClockSource> {
        self.boot.get().map(|(_, source)| source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_has_in_it_what_was_before_the_clock() {
        let (start, before) = (Instant::MIN, Instant::now());
        let uptime_ms = Clock::since(start).uptime_ms();
        assert!(uptime_ms >= before.duration_since(start).as_millis());
        assert!(uptime_ms <= Instant::now().duration_since(start).as_millis());
    }

    #[test]
    fn instants_on_a_grid_have_uptimes_on_a_grid() {
        for start_us in [0, 1, 499, 999] {
            let start = Instant::from_micros(1_000_000 + start_us);
            let clock = Clock::since(start);
            let first = start + Duration::from_micros(5_700);
            let slot = |number| first + Duration::from_millis(100) * number;
            let times = (0..50).map(|number| clock.uptime_ms_at(slot(number)));
            assert!(times.eq((0..50_u32).map(|number| 5 + 100 * u64::from(number))));
            assert_eq!(clock.uptime_ms_at(Instant::from_micros(7)), 0);
        }
    }

    #[test]
    fn only_a_time_known_for_certain_stamps_samples() {
        let clock = Clock::boot();
        assert_eq!((clock.now_unix_ms(), clock.stamp(0)), (None, None));
        clock.set(2_000_000_000_000, ClockSource::Floor);
        assert!(clock.now_unix_ms().unwrap() >= 2_000_000_000_000);
        assert_eq!(clock.stamp(0), None);
        clock.set(2_000_000_000_000, ClockSource::Sntp);
        let boot = clock.stamp(0).unwrap();
        assert!(boot <= 2_000_000_000_000);
        assert_eq!(clock.stamp(1_500), Some(boot + 1_500));
    }

    #[test]
    fn a_lower_bound_is_raised_and_a_time_is_not() {
        let clock = Clock::boot();
        clock.raise(5);
        assert_eq!(clock.moment(), Moment::from(0));
        clock.set(2_000_000_000_000, ClockSource::Floor);
        clock.raise(1_999_999_999);
        let floor = |unix_s| Moment {
            unix_s,
            is_floor: true,
        };
        assert_eq!(clock.moment(), floor(2_000_000_000));
        clock.raise(2_000_000_777);
        assert_eq!(clock.moment(), floor(2_000_000_777));
        assert_eq!(clock.stamp(0), None);
        for source in [ClockSource::Kept, ClockSource::Sntp] {
            clock.set(2_000_000_000_000, source);
            clock.raise(2_000_000_777);
            assert_eq!(clock.moment(), Moment::from(2_000_000_000));
        }
    }

    #[test]
    fn a_clock_that_was_moved_far_has_to_be_proven_again() {
        let clock = Clock::boot();
        clock.prove();
        assert!(!clock.is_proven());
        clock.set(2_000_000_000_000, ClockSource::Sntp);
        assert!(!clock.is_proven());
        clock.prove();
        clock.set(2_000_000_000_000 + PROVEN_WITHIN_MS / 2, ClockSource::Sntp);
        assert!(clock.is_proven());
        clock.set(2_000_000_000_000 + PROVEN_WITHIN_MS * 2, ClockSource::Sntp);
        assert!(!clock.is_proven());
    }
}
