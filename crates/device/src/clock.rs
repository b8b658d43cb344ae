//! Calendar time: where the wall clock stands against the time since boot, and how it is set.
//!
//! Samples carry the time since boot; only when they are sent does [`Clock`] turn it into a real
//! time stamp, so that a clock set late, or corrected, is right for all of them.
//!
//! Who is believed against whom is the order of [`ClockSource`].

mod witness;

use core::cell::Cell;

use embassy_time::{Duration, Instant};

use crate::calendar::Moment;
use crate::event::{ClockSource, ServerClock};
use witness::Witness;

/// The clocks of one device: time since boot, and the calendar.
pub struct Clock {
    /// When the device was started. Not always instant 0: a simulated device boots many times.
    start: Instant,
    /// Milliseconds between 1970 UTC and boot, once known.
    boot: Cell<Option<(u64, ClockSource)>>,
    doubted: Cell<bool>,
    /// When a time server last told the time, or the server itself did.
    asked: Cell<Option<Instant>>,
    /// As `boot` was when a certificate was last found valid.
    proven: Cell<Option<u64>>,
    /// The latest date from which a certificate is valid that proved good; in seconds since 1970 UTC.
    valid_from_unix_s: Cell<u64>,
    witness: Witness,
}

/// What became of the server's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: nobody had asked, or it took too long to tell anything.
    Nothing,
    /// This is to be told, and the clock is as it was.
    Told(ServerClock),
    /// The clock was set by it, to so many milliseconds since 1970 UTC. If time servers had set it far from
    /// there, that is to be told, too.
    Set(u64, Option<ServerClock>),
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
            valid_from_unix_s: Cell::new(0),
            witness: Witness::new(),
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
        if source >= ClockSource::Sntp {
            self.asked.set(Some(Instant::now()));
        }
    }

    /// Whether a time server, or the server itself, told the time in this life, and no longer ago than this.
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
    /// the clock is set again. What the server said may be what led here.
    pub fn doubt(&self) {
        self.doubted.set(true);
        self.witness.forget();
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
        self.valid_from_unix_s
            .set(self.valid_from_unix_s.get().max(unix_s));
        let moment = self.moment();
        if moment.is_floor && moment.unix_s < unix_s {
            self.set(unix_s.saturating_mul(1_000), ClockSource::Floor);
        }
    }

    /// Another connection begins, in which the server was asked nothing yet.
    pub(crate) fn meet_server(&self) {
        self.witness.begin();
    }

    /// From when on the server is to be asked what time it is.
    pub(crate) fn question_due(&self) -> Instant {
        self.witness.due()
    }

    /// The server is going to be asked as soon as there is room, and not again for a day.
    pub(crate) fn put_off_question(&self) {
        self.witness.put_off();
    }

    /// The server is asked now.
    pub(crate) fn ask_server(&self) {
        self.witness.ask();
    }

    /// The server says that it is `told_unix_ms`. What is earlier than `least_unix_s`, or than the dates from which
    /// certificates are valid that proved good, its own among them, is not believed. Else the clock is near it
    /// afterwards.
    ///
    /// A clock that it moves far is not [proven](Self::is_proven) any more, for certificates were judged by another time.
    /// They are judged again with the next full handshake, within half a day: there is no hurry, as nobody whose
    /// certificate has expired would say so by his own clock.
    pub fn hear_server(&self, told_unix_ms: u64, least_unix_s: u64) -> Heard {
        let Some((unix_ms, give_ms)) = self.witness.answer(told_unix_ms) else {
            return Heard::Nothing;
        };
        let least_unix_s = least_unix_s.max(self.valid_from_unix_s.get());
        let latest_unix_s = unix_ms.saturating_add(give_ms) / 1_000;
        if latest_unix_s < least_unix_s {
            let by_s = least_unix_s - latest_unix_s;
            return Heard::Told(ServerClock::Refused { by_s });
        }
        let boot = unix_ms.saturating_sub(self.uptime_ms());
        self.witness.hear(boot, give_ms);
        let news = match self.boot.get() {
            Some((mine, ClockSource::Sntp)) => match self.weigh_boot(mine) {
                Ok(()) => {
                    let off_ms = u32::try_from(mine.abs_diff(boot)).unwrap_or(u32::MAX);
                    return Heard::Told(ServerClock::Confirmed { off_ms });
                }
                Err(news) => news,
            },
            _ => None,
        };
        self.set(unix_ms, ClockSource::Server);
        Heard::Set(unix_ms, news)
    }

    /// Whether a time server may be believed that says that it is `unix_ms` now.
    ///
    /// # Errors
    ///
    /// The server contradicts it; what is to be told of that, unless it was told before.
    pub fn weigh(&self, unix_ms: u64) -> Result<(), Option<ServerClock>> {
        let weighed = self.weigh_boot(unix_ms.saturating_sub(self.uptime_ms()));
        if weighed.is_err() {
            // It answered, and is not to be asked again at once.
            self.asked.set(Some(Instant::now()));
        }
        weighed
    }

    fn weigh_boot(&self, boot: u64) -> Result<(), Option<ServerClock>> {
        let off_ms = self.witness.contradiction(boot);
        let news = self.witness.note(off_ms.is_some());
        match off_ms {
            None => Ok(()),
            Some(off_ms) => {
                let by_s = off_ms / 1_000;
                Err(news.then_some(ServerClock::Contradicted { by_s }))
            }
        }
    }

    /// Whether time servers and the server itself agree on the time, who know nothing of each other, and a certificate
    /// was found valid at it.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match self.boot.get() {
            Some((boot, ClockSource::Sntp)) => self.is_proven() && self.witness.confirms(boot),
            _ => false,
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
mod tests;
