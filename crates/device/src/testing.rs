//! Virtual time for the tests of this crate: nobody waits, the clock jumps to the next timer. And a
//! product.
//!
//! Each test thread has a time of its own. [`run`] polls a future and, whenever it can go no
//! further, moves the time to the next timer that was set.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::vec::Vec;

use embassy_time_driver::Driver;
use product::{
    Attributes, Calls, Faults, Product, Readings, Refusal, Series, call, client, shared,
};
use rand_core::{TryCryptoRng, TryRng};

std::thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static TIMERS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
}

struct VirtualTime;

impl Driver for VirtualTime {
    fn now(&self) -> u64 {
        NOW.get()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| timers.push((at, waker.clone())));
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: VirtualTime = VirtualTime);

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// After so many polls time goes on even if the future could: it only looks again and again.
const MOST_POLLS: u32 = 100_000;

/// Runs a future to its end, in no time.
///
/// # Panics
///
/// If it waits for something that no timer will bring.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        for _ in 0..MOST_POLLS {
            if !woken.0.swap(false, Ordering::Relaxed) {
                break;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
        let due = TIMERS.with_borrow_mut(|timers| {
            let next = timers
                .iter()
                .map(|(at, _)| *at)
                .min()
                .expect("waits for ever");
            NOW.set(next.max(NOW.get()));
            timers
                .extract_if(.., |(at, _)| *at <= NOW.get())
                .collect::<Vec<_>>()
        });
        for (_, waker) in due {
            waker.wake();
        }
    }
}

#[test]
fn time_jumps_to_the_next_timer() {
    use embassy_time::{Instant, Timer};
    let start = Instant::now();
    run(embassy_futures::join::join(
        Timer::after_secs(3600),
        Timer::after_secs(7200),
    ));
    assert_eq!(start.elapsed().as_secs(), 7200);
}

/// A room with a thermometer and a hygrometer that can say anything.
pub(crate) struct Room;

/// Temperature and humidity, in tenths.
pub(crate) type Air = (Option<i32>, Option<i32>);

impl Product for Room {
    const NAME: &'static str = "room";
    const VERSION: &'static str = "1.2.3";
    type Reading = Air;
    const SERIES: &'static [Series<Air>] = &[
        Series::decimal("temperature", "°C", 1, -400..=1_250, |air| air.0),
        Series::decimal("humidity", "%", 1, 0..=1_000, |air| air.1),
    ];

    async fn sample(&mut self, _: &mut Faults) -> Air {
        (Some(215), Some(450))
    }
}

/// What the room's sensors say, in tenths.
pub(crate) fn readings(temperature: Option<i32>, humidity: Option<i32>) -> Readings {
    Readings::of::<Room>(&(temperature, humidity), &mut Faults::default())
}

/// A lamp that the server lights, by call or by attribute.
#[derive(Default)]
pub(crate) struct Lamp {
    lit: bool,
}

impl Lamp {
    async fn light(&mut self, lit: bool) -> Result<(), Refusal> {
        self.lit = lit;
        Ok(())
    }

    async fn lit(&mut self, (): ()) -> Result<bool, Refusal> {
        Ok(self.lit)
    }
}

impl Product for Lamp {
    const NAME: &'static str = "lamp";
    const VERSION: &'static str = "1.2.3";
    type Reading = ();
    const SERIES: &'static [Series<()>] = &[];

    async fn sample(&mut self, _: &mut Faults) {}

    fn calls() -> impl Calls<Self> {
        (call("light", Self::light), call("isLit", Self::lit))
    }

    fn attributes() -> impl Attributes<Self> {
        (
            shared("lit", |me: &Self| me.lit, Self::light).kept(),
            client("hours", |_: &Self| 0),
        )
    }
}

/// No randomness at all, which blinding does not mind.
pub(crate) struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(1);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}
