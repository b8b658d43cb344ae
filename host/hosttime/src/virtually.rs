//! Virtual time: a thread's clock that stands while anything goes on, and jumps to the next timer when all waits.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::timers::Timers;
use crate::waker::with_one_waker;

thread_local! {
    static CLOCK: RefCell<Option<Arc<Clock>>> = const { RefCell::new(None) };
}

/// Plays `play` on virtual time, from instant 0 on: as long as any task of this thread's tokio runtime can go
/// on, no time passes; when all wait, it is the time of the next timer at once, in steps of a
/// millisecond. That goes for `embassy-time` and for tokio's timers alike.
///
/// What is to take part must be in this thread's runtime, or a blocking task of it (for which tokio
/// stops the clock): who waits for another thread, for a process or for a socket of the operating system
/// finds that no time is given to them.
///
/// # Panics
///
/// Outside of a tokio runtime of one thread, and within another virtual time.
pub async fn virtually<T>(play: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let clock = Arc::new(Clock {
        origin: Instant::now(),
        calendar: SystemTime::now(),
        timers: Mutex::default(),
        changed: Notify::new(),
    });
    // A task of its own, so that a timer wakes those whom it concerns and nobody else.
    let waking = tokio::spawn(wake_sleepers(clock.clone()));
    CLOCK.set(Some(clock));
    let _entered = Entered(waking.abort_handle());
    with_one_waker(play).await
}

/// Whether this thread's time is virtual.
#[must_use]
pub fn is_virtual() -> bool {
    clock().is_some()
}

/// The clock of this thread, if it has one of its own.
pub(crate) fn clock() -> Option<Arc<Clock>> {
    // There is none any more while the thread ends.
    CLOCK
        .try_with(|clock| clock.borrow().clone())
        .ok()
        .flatten()
}

/// Gives the thread back to real time.
struct Entered(AbortHandle);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.abort();
        CLOCK.set(None);
        // The runtime may have been shut down, and with it the clock.
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::time::resume();
        }
    }
}

pub(crate) struct Clock {
    origin: Instant,
    /// What the calendar said then.
    pub(crate) calendar: SystemTime,
    timers: Mutex<Timers>,
    changed: Notify,
}

impl Clock {
    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> u64 {
        self.origin.elapsed().as_micros() as u64
    }

    pub(crate) fn schedule_wake(&self, at: u64, waker: &Waker) {
        if at <= self.now() {
            waker.wake_by_ref();
        } else if self.timers().set(at, waker) {
            self.changed.notify_one();
        }
    }
}

async fn wake_sleepers(clock: Arc<Clock>) {
    loop {
        let due = clock.timers().take_due(clock.now());
        due.into_iter().for_each(Waker::wake);
        let next = clock.timers().next();
        match next {
            None => clock.changed.notified().await,
            Some(at) => {
                let at = clock.origin + Duration::from_micros(at);
                tokio::select! {
                    () = sleep_until(at) => {}
                    () = clock.changed.notified() => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    }

    #[test]
    fn hours_pass_at_once_and_in_order() {
        let day = 24 * 3_600;
        let (tell, told) = std::sync::mpsc::channel();
        runtime().block_on(virtually(async {
            let task = |name: &'static str, seconds: u64| {
                let tell = tell.clone();
                tokio::spawn(async move {
                    embassy_time::Timer::after_secs(seconds).await;
                    let now = embassy_time::Instant::now().as_secs();
                    tell.send((name, now)).expect("somebody listens");
                })
            };
            let tasks = [task("day", day), task("second", 1), task("hour", 3_600)];
            tokio::time::sleep(Duration::from_secs(2 * day)).await;
            for task in tasks {
                task.await.expect("no panic");
            }
            assert_eq!(embassy_time::Instant::now().as_secs(), 2 * day);
        }));
        let told: Vec<_> = told.try_iter().collect();
        assert_eq!(told, [("second", 1), ("hour", 3_600), ("day", day)]);
        assert!(!is_virtual());
    }

    #[test]
    fn no_time_passes_while_something_goes_on() {
        runtime().block_on(virtually(async {
            let timer = embassy_time::Timer::after_secs(1);
            let working = async {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                embassy_time::Instant::now().as_micros()
            };
            let (at, ()) = tokio::join!(working, timer);
            assert_eq!(at, 0);
            assert_eq!(embassy_time::Instant::now().as_secs(), 1);
        }));
    }

    #[test]
    fn other_threads_keep_the_time_of_the_process() {
        runtime().block_on(virtually(async {
            embassy_time::Timer::after_secs(1 << 30).await;
            let other = std::thread::spawn(|| embassy_time::Instant::now().as_secs());
            assert!(other.join().expect("no panic") < 1 << 30);
        }));
    }
}
