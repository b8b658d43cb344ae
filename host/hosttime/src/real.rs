//! The process's clock: real time, at a rate.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::timers::Timers;

/// The slowest and fastest rates that [`set_rate`] accepts: device seconds per real second.
pub const RATES: std::ops::RangeInclusive<u32> = 1..=10_000;

/// Lets device time pass `rate` times as fast as real time, from now on.
///
/// Timers that are already set keep their device instant, so they come earlier or later in real
/// time. The rate belongs to the whole process.
///
/// # Panics
///
/// If `rate` is outside [`RATES`].
pub fn set_rate(rate: u32) {
    assert!(
        RATES.contains(&rate),
        "a rate of time is {RATES:?}, not {rate}"
    );
    let mut state = DRIVER.lock();
    let now = state.now();
    state.epoch = Some(Epoch {
        real: Instant::now(),
        micros: now,
        rate,
    });
    drop(state);
    DRIVER.changed.notify_one();
}

/// Device microseconds counted from a real instant, at a rate.
struct Epoch {
    real: Instant,
    micros: u64,
    rate: u32,
}

struct State {
    epoch: Option<Epoch>,
    timers: Timers,
}

impl State {
    fn epoch(&mut self) -> &Epoch {
        self.epoch.get_or_insert_with(|| {
            thread::Builder::new()
                .name("hosttime".into())
                .spawn(wake_sleepers)
                .expect("a thread for timers");
            Epoch {
                real: Instant::now(),
                micros: 0,
                rate: 1,
            }
        })
    }

    fn now(&mut self) -> u64 {
        let epoch = self.epoch();
        epoch.micros + epoch.real.elapsed().as_micros() as u64 * u64::from(epoch.rate)
    }

    /// How long to really sleep until device instant `at`.
    fn until(&mut self, at: u64) -> Duration {
        let now = self.now();
        // Rounded up, so that a timer is never woken early and put back.
        Duration::from_micros(
            at.saturating_sub(now)
                .div_ceil(u64::from(self.epoch().rate)),
        )
    }
}

pub(crate) struct HostTime {
    state: Mutex<State>,
    changed: Condvar,
}

impl HostTime {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not stop time: the state is consistent between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> u64 {
        self.lock().now()
    }

    pub(crate) fn schedule_wake(&self, at: u64, waker: &Waker) {
        let mut state = self.lock();
        if at <= state.now() {
            drop(state);
            waker.wake_by_ref();
            return;
        }
        let first = state.timers.set(at, waker);
        drop(state);
        if first {
            self.changed.notify_one();
        }
    }
}

pub(crate) static DRIVER: LazyLock<HostTime> = LazyLock::new(|| HostTime {
    state: Mutex::new(State {
        epoch: None,
        timers: Timers::default(),
    }),
    changed: Condvar::new(),
});

pub(crate) fn at_instant_0() -> SystemTime {
    static CALENDAR: OnceLock<SystemTime> = OnceLock::new();
    *CALENDAR.get_or_init(|| SystemTime::now() - Duration::from_micros(DRIVER.now()))
}

fn wake_sleepers() {
    let mut state = DRIVER.lock();
    loop {
        let now = state.now();
        let due = state.timers.take_due(now);
        if !due.is_empty() {
            // A waker may come back for the lock.
            drop(state);
            due.into_iter().for_each(Waker::wake);
            state = DRIVER.lock();
            continue;
        }
        state = match state.timers.next() {
            None => DRIVER
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let sleep = state.until(at);
                DRIVER
                    .changed
                    .wait_timeout(state, sleep)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::task::Wake;

    struct Flag(mpsc::Sender<&'static str>, &'static str);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(self.1);
        }
    }

    #[test]
    fn timers_wake_in_order_and_a_faster_rate_brings_them_nearer() {
        let (woken, order) = mpsc::channel();
        let waker = |name| Waker::from(Arc::new(Flag(woken.clone(), name)));
        let start = DRIVER.now();
        // An hour away: without the rate this test would not end.
        DRIVER.schedule_wake(start + 3_600_000_000, &waker("hour"));
        DRIVER.schedule_wake(start + 1_800_000_000, &waker("half"));
        DRIVER.schedule_wake(start, &waker("now"));
        set_rate(10_000);
        let woken: Vec<_> = order.iter().take(3).collect();
        assert_eq!(woken, ["now", "half", "hour"]);
        assert!(DRIVER.now() >= start + 3_600_000_000);
    }

    #[test]
    fn a_task_has_one_timer_however_often_it_is_set() {
        let (woken, order) = mpsc::channel();
        let waker = Waker::from(Arc::new(Flag(woken, "task")));
        let far = DRIVER.now() + (1 << 60);
        let timers = || DRIVER.lock().timers.of(&waker);
        for later in 0..100 {
            DRIVER.schedule_wake(far + later, &waker);
        }
        assert_eq!(timers(), (1, Some(far)));
        DRIVER.schedule_wake(far - 1, &waker);
        assert_eq!(timers(), (1, Some(far - 1)));
        // Soon, but not so soon that it is past when it is set, which wakes without a timer.
        set_rate(10_000);
        DRIVER.schedule_wake(DRIVER.now() + 1_000_000_000, &waker);
        assert_eq!(order.recv(), Ok("task"));
        assert_eq!(timers(), (0, None));
    }

    #[test]
    #[should_panic(expected = "a rate of time is")]
    fn a_rate_of_nought_is_refused() {
        set_rate(0);
    }
}
