//! The hooks by which MbedTLS asks for the time, and what is made of its judgement.
//!
//! The date is there only within [`during`], so that each handshake is judged by the clock
//! of its own device.

use core::cell::Cell;

use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_time::Instant;
use mbedtls_rs_sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs_sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs_sys::{self as sys, mbedtls_ms_time_t, tm};

use crate::calendar::{Date, Moment};
use crate::credentials;

/// What the hook knows.
#[derive(Clone, Copy)]
struct Lent {
    /// Seconds since 1970; none outside of handshakes.
    now: Option<Moment>,
    seen: Seen,
}

/// What MbedTLS did with a date.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Whether it asked for it, which it does to verify certificates.
    pub(super) asked: bool,
    /// From when all certificates are valid that it verified, in seconds since 1970; 0 if none.
    pub(super) valid_from_unix_s: u64,
}

impl Seen {
    /// It did nothing yet.
    pub(super) const NOTHING: Self = Self {
        asked: false,
        valid_from_unix_s: 0,
    };

    /// What was seen in two pieces of work.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            asked: self.asked | other.asked,
            valid_from_unix_s: self.valid_from_unix_s.max(other.valid_from_unix_s),
        }
    }
}

/// Locked rather than atomic: the chips have no atomics of 64 bits.
static LENT: CriticalSectionMutex<Cell<Lent>> = CriticalSectionMutex::new(Cell::new(Lent {
    now: None,
    seen: Seen::NOTHING,
}));

/// Installs the hooks, for good.
#[allow(unsafe_code)]
pub(super) fn install() {
    // SAFETY: called before any session exists, as MbedTLS wants; the hooks are statics that are
    // never taken away.
    unsafe {
        hook_timer(Some(&Uptime));
        hook_wall_clock(Some(&Calendar));
    }
}

/// Runs a piece of MbedTLS's work with a date. Returns what it did with it, too.
pub(super) fn during<T>(now: Moment, work: impl FnOnce() -> T) -> (T, Seen) {
    let lend = |now| Lent {
        now,
        seen: Seen::NOTHING,
    };
    LENT.lock(|lent| lent.set(lend(Some(now))));
    let result = work();
    let lent = LENT.lock(|lent| lent.replace(lend(None)));
    (result, lent.seen)
}

/// Looks at a certificate of a chain that MbedTLS verifies, and what it found wrong with it. That one
/// is not valid yet, a lower bound on the time cannot tell; all else stands.
pub(super) fn verify(certificate: &sys::mbedtls_x509_crt, flags: &mut u32) {
    let valid_from_unix_s = credentials::unix_s(&certificate.valid_from);
    LENT.lock(|lent| {
        let Lent { now, seen } = lent.get();
        if now.is_some_and(|now| now.is_floor) {
            *flags &= !sys::MBEDTLS_X509_BADCERT_FUTURE;
        }
        let seen = seen.and(Seen {
            valid_from_unix_s,
            ..Seen::NOTHING
        });
        lent.set(Lent { now, seen });
    });
}

/// Time since boot, which MbedTLS uses for the age of tickets.
struct Uptime;

impl MbedtlsTimer for Uptime {
    fn now(&self) -> mbedtls_ms_time_t {
        mbedtls_ms_time_t::try_from(Instant::now().as_millis()).unwrap_or(mbedtls_ms_time_t::MAX)
    }
}

/// The date, for the validity of certificates.
struct Calendar;

impl MbedtlsWallClock for Calendar {
    fn instant(&self) -> Option<tm> {
        let now = LENT.lock(|lent| {
            let Lent { now, seen } = lent.get();
            let seen = Seen {
                asked: true,
                ..seen
            };
            lent.set(Lent { now, seen });
            now
        })?;
        let date = Date::from_unix_s(now.unix_s);
        Some(tm {
            tm_year: i32::try_from(date.year).ok()?.checked_sub(1900)?,
            tm_mon: i32::from(date.month) - 1,
            tm_mday: date.day.into(),
            tm_hour: date.hour.into(),
            tm_min: date.minute.into(),
            tm_sec: date.second.into(),
            // MbedTLS reads none of the rest (library/x509.c, mbedtls_x509_time_gmtime, v3.6.5).
            ..tm::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_date_only_while_it_is_lent() {
        let _alone = crate::tls::tests::alone();
        assert!(Calendar.instant().is_none());
        let (date, seen) = during(1_795_377_313.into(), || Calendar.instant().unwrap());
        assert!(seen.asked);
        assert_eq!((date.tm_year, date.tm_mon, date.tm_mday), (126, 10, 22));
        assert_eq!((date.tm_hour, date.tm_min, date.tm_sec), (19, 55, 13));
        let ((), seen) = during(0.into(), || ());
        assert!(!seen.asked);
        assert!(Calendar.instant().is_none());
    }
}
