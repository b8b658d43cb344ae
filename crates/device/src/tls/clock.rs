//! The hooks by which MbedTLS asks for the time.
//!
//! The date is there only within [`Date::during`], so that each handshake is judged by the clock
//! of its own device.

use core::cell::Cell;

use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_time::Instant;
use mbedtls_rs_sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs_sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs_sys::{mbedtls_ms_time_t, tm};

use crate::clock;

/// What the hook knows.
#[derive(Clone, Copy)]
struct Lent {
    /// Seconds since 1970; none outside of handshakes.
    unix_s: Option<u64>,
    /// Whether MbedTLS asked.
    asked: bool,
}

/// Locked rather than atomic: the chips have no atomics of 64 bits.
static LENT: CriticalSectionMutex<Cell<Lent>> = CriticalSectionMutex::new(Cell::new(Lent {
    unix_s: None,
    asked: false,
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

/// Runs a piece of MbedTLS's work with a date. Returns whether it asked for it, too.
pub(super) fn during<T>(unix_s: u64, work: impl FnOnce() -> T) -> (T, bool) {
    let lend = Lent {
        unix_s: Some(unix_s),
        asked: false,
    };
    LENT.lock(|lent| lent.set(lend));
    let result = work();
    let none = Lent {
        unix_s: None,
        asked: false,
    };
    let lent = LENT.lock(|lent| lent.replace(none));
    (result, lent.asked)
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
        let unix_s = LENT.lock(|lent| {
            let now = lent.get();
            lent.set(Lent { asked: true, ..now });
            now.unix_s
        })?;
        let date = clock::Date::from_unix_s(unix_s);
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
        let (date, asked) = during(1_795_377_313, || Calendar.instant().unwrap());
        assert!(asked);
        assert_eq!((date.tm_year, date.tm_mon, date.tm_mday), (126, 10, 22));
        assert_eq!((date.tm_hour, date.tm_min, date.tm_sec), (19, 55, 13));
        let ((), asked) = during(0, || ());
        assert!(!asked);
        assert!(Calendar.instant().is_none());
    }
}
