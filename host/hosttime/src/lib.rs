//! Time for host programs: the `embassy-time` driver of the simulator, the provisioner and all
//! tests, at a rate that can be changed while it runs, or virtual.
//!
//! By default a second is a second. A test that has to live through half an hour of a device's
//! life, and has a program of others beside it, calls [`set_rate`] instead of waiting: all
//! `embassy-time` timers and instants in the process run that much faster, while sockets and
//! computation stay as they are. Where all that takes part is in the test's own thread,
//! [`virtually`] is better: nothing waits, and no load of the computer shows.
//!
//! The boundary: of calendar time this crate knows what it was at instant 0; what it is for a device is that one's
//! wall clock. Link it once
//! with `use hosttime as _;` wherever `embassy-time` is used on a host.

#![warn(missing_docs)]

mod real;
mod timers;
#[cfg(feature = "virtual")]
mod virtually;
mod waker;

pub use real::{RATES, set_rate};
#[cfg(feature = "virtual")]
pub use virtually::{is_virtual, virtually};
pub use waker::with_one_waker;

#[allow(unsafe_code)] // The macro exports the driver under the link names that embassy-time calls.
mod exported {
    use core::task::Waker;
    use embassy_time_driver::Driver;

    struct Exported;

    impl Driver for Exported {
        fn now(&self) -> u64 {
            super::now()
        }

        fn schedule_wake(&self, at: u64, waker: &Waker) {
            super::schedule_wake(at, waker);
        }
    }

    embassy_time_driver::time_driver_impl!(static EXPORTED: Exported = Exported);
}

/// What the computer's calendar was when the clock of this thread began, for who wants one that runs as fast as the
/// clock does.
#[must_use]
pub fn at_instant_0() -> std::time::SystemTime {
    #[cfg(feature = "virtual")]
    if let Some(clock) = virtually::clock() {
        return clock.calendar;
    }
    real::at_instant_0()
}

/// Microseconds by the clock of this thread: a virtual one, or that of the process.
fn now() -> u64 {
    #[cfg(feature = "virtual")]
    if let Some(clock) = virtually::clock() {
        return clock.now();
    }
    real::DRIVER.now()
}

fn schedule_wake(at: u64, waker: &std::task::Waker) {
    #[cfg(feature = "virtual")]
    if let Some(clock) = virtually::clock() {
        return clock.schedule_wake(at, waker);
    }
    real::DRIVER.schedule_wake(at, waker);
}
