//! Time that jumps: nobody waits, the clock goes to the next timer when nothing else can be done.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embassy_time_driver::Driver;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static TIMERS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
}

struct JumpingTime;

impl Driver for JumpingTime {
    fn now(&self) -> u64 {
        NOW.get()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| timers.push((at, waker.clone())));
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: JumpingTime = JumpingTime);

/// Back to the moment of boot, as at the start of each run.
pub fn reset() {
    NOW.set(0);
    TIMERS.with_borrow_mut(Vec::clear);
}

/// Microseconds since boot.
pub fn now_us() -> u64 {
    NOW.get()
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future that is run in steps.
pub struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

/// How often a task may be polled without time going on. More is an endless loop.
const MOST_POLLS: u32 = 100_000;

impl<'a, T> Task<'a, T> {
    /// A task that has not begun.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    /// Polls until the task waits for something or is done.
    ///
    /// # Panics
    ///
    /// If it goes on waking itself.
    pub fn settle(&mut self) -> Option<T> {
        let waker = Waker::from(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        for _ in 0..MOST_POLLS {
            if !self.woken.0.swap(false, Ordering::Relaxed) {
                return None;
            }
            if let Poll::Ready(output) = self.future.as_mut().poll(&mut context) {
                return Some(output);
            }
        }
        panic!("the task never rests");
    }

    /// Polls it although nothing has woken it: for what comes from outside.
    pub fn nudge(&mut self) -> Option<T> {
        self.woken.0.store(true, Ordering::Relaxed);
        self.settle()
    }

    /// Lets `ms` milliseconds go by, timer after timer.
    pub fn pass(&mut self, ms: u64) -> Option<T> {
        let end = NOW.get() + ms * 1_000;
        loop {
            if let Some(output) = self.settle() {
                return Some(output);
            }
            let Some(next) = next_timer().filter(|at| *at <= end) else {
                NOW.set(end);
                return None;
            };
            jump(next);
        }
    }

    /// Runs to the end, however long it takes on the jumping clock; none if it waits for what no
    /// timer will bring.
    pub fn finish(&mut self) -> Option<T> {
        loop {
            if let Some(output) = self.settle() {
                return Some(output);
            }
            jump(next_timer()?);
        }
    }
}

fn next_timer() -> Option<u64> {
    TIMERS.with_borrow(|timers| timers.iter().map(|(at, _)| *at).min())
}

fn jump(to: u64) {
    NOW.set(to.max(NOW.get()));
    let due = TIMERS.with_borrow_mut(|timers| {
        timers
            .extract_if(.., |(at, _)| *at <= NOW.get())
            .collect::<Vec<_>>()
    });
    for (_, waker) in due {
        waker.wake();
    }
}

/// Runs a future to its end, on a clock that begins anew.
pub fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    reset();
    Task::new(future).finish()
}

/// When the next timer is due, in microseconds since boot.
pub fn next_due_us() -> Option<u64> {
    next_timer()
}

/// Goes on to this many microseconds since boot, and wakes whoever has waited for it.
pub fn jump_to_us(to: u64) {
    jump(to);
}
