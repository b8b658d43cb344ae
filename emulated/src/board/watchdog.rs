//! A watchdog, as chips have one, which the machine has not: the timer's interrupt stands for it. That
//! comes whatever the executor does, and bites unless somebody fed the watchdog since; the interrupt
//! itself feeds nothing.
//!
//! What a chip's sees and this does not is a program that holds interrupts back for good.

use core::cell::Cell;

use critical_section::{CriticalSection, Mutex};
use embassy_time::{Duration, Instant};

use super::power;

/// It bites when it was not fed for so long: shorter than a chip's minute, for here every instruction
/// of a program that hangs has to be emulated. The longest that computing takes here is two seconds.
const PATIENCE: Duration = Duration::from_secs(15);

static BITES_AT: Mutex<Cell<u64>> = Mutex::new(Cell::new(u64::MAX));

/// Puts it off. True if it starts by that: then the clock has another alarm to set.
pub(super) fn feed() -> bool {
    let at = (Instant::now() + PATIENCE).as_ticks();
    critical_section::with(|cs| BITES_AT.borrow(cs).replace(at) == u64::MAX)
}

/// When it bites, in ticks.
pub(super) fn deadline(cs: CriticalSection<'_>) -> u64 {
    BITES_AT.borrow(cs).get()
}

/// Bites if it is time.
pub(super) fn look(cs: CriticalSection<'_>, now: u64) {
    if now >= deadline(cs) {
        power::bite()
    }
}
