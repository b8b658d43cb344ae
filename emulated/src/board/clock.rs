//! Time since power-on: the embassy-time driver over the CLINT's `mtime`, which counts 10 million
//! times in a second (include/hw/intc/riscv_aclint.h, `RISCV_ACLINT_DEFAULT_TIMEBASE_FREQ`).

use core::{cell::RefCell, task::Waker};

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use super::{Register, watchdog};

const _: () = assert!(TICK_HZ == 10_000_000, "the clock's rate is given");

const CLINT: usize = 0x0200_0000;
// SAFETY: registers of the CLINT (hw/intc/riscv_aclint.c), which only count and interrupt.
const COMPARE_LOW: Register = unsafe { Register::at(CLINT + 0x4000) };
// SAFETY: as above.
const COMPARE_HIGH: Register = unsafe { Register::at(CLINT + 0x4004) };
// SAFETY: as above.
const TIME_LOW: Register = unsafe { Register::at(CLINT + 0xbff8) };
// SAFETY: as above.
const TIME_HIGH: Register = unsafe { Register::at(CLINT + 0xbffc) };

struct Clock {
    sleepers: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    sleepers: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        loop {
            let high = TIME_HIGH.read();
            let low = TIME_LOW.read();
            if high == TIME_HIGH.read() {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let sooner = self.sleepers.borrow_ref_mut(cs).schedule_wake(at, waker);
            if sooner {
                self.wake(cs);
            }
        });
    }
}

impl Clock {
    /// Wakes whose time has come, and sets the alarm for the next. An alarm that lies in the past
    /// interrupts at once.
    fn wake(&self, cs: CriticalSection<'_>) {
        watchdog::look(cs, self.now());
        let next = self.sleepers.borrow_ref_mut(cs).next_expiration(self.now());
        let next = next.min(watchdog::deadline(cs));
        // In between, no alarm that is too early.
        COMPARE_HIGH.write(u32::MAX);
        COMPARE_LOW.write(next as u32);
        COMPARE_HIGH.write((next >> 32) as u32);
    }
}

/// The alarm rang.
pub(super) fn interrupt() {
    critical_section::with(|cs| CLOCK.wake(cs));
}
