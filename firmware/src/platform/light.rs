//! The light on the board shows the state of the device; one of one colour by its pattern alone.
//!
//! | state | colour | pattern |
//! |---|---|---|
//! | waiting to be provisioned | blue | slow blinking |
//! | joining, setting the clock, connecting | yellow | quick blinking |
//! | online | green | steady |
//! | somebody has to look: flash, credentials | red | double blink, between those of the state |

use core::cell::Cell;

use crate::board::lamp::{Lamp, Port};
use crate::drivers::Colour;
use device::event::Event;
use device::platform::light::{Shown, Stage};
use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embassy_sync::signal::Signal;
use embassy_time::Timer;

static SHOWN: Mutex<CriticalSectionRawMutex, Cell<Shown>> = Mutex::new(Cell::new(Shown::new()));
static CHANGED: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Shows what an event means, if it means a change.
pub(crate) fn notice(event: &Event) {
    let before = SHOWN.lock(Cell::get);
    let shown = before.after(event);
    if shown != before {
        SHOWN.lock(|cell| cell.set(shown));
        CHANGED.signal(());
    }
}

/// Starts the task that drives the light.
pub(crate) fn start(port: Port, spawner: Spawner) {
    spawner.spawn(shine(Lamp::new(port)).expect("it is spawned once"));
}

/// A colour, and for how many milliseconds it is lit and dark by turns.
type Pattern = (Colour, &'static [u64]);

const FAULT: Pattern = ([32, 0, 0], &[150, 150, 150, 1050]);

const fn pattern(stage: Stage) -> Pattern {
    match stage {
        Stage::Provisioning => ([0, 0, 24], &[1000, 1000]),
        Stage::Connecting => ([20, 12, 0], &[150, 350, 150, 350, 150, 350]),
        Stage::Online => ([0, 12, 0], &[3000]),
    }
}

#[embassy_executor::task]
async fn shine(mut lamp: Lamp) {
    loop {
        let shown = SHOWN.lock(Cell::get);
        let stage = shown.stage.map(pattern);
        let fault = shown.is_faulty().then_some(FAULT);
        if stage.is_none() && fault.is_none() {
            CHANGED.wait().await;
        }
        for pattern in [stage, fault].into_iter().flatten() {
            if !play(&mut lamp, pattern).await {
                break;
            }
        }
    }
}

/// Plays a pattern; to its end, unless there is something else to show.
async fn play(lamp: &mut Lamp, (colour, pattern): Pattern) -> bool {
    for (index, &ms) in pattern.iter().enumerate() {
        // Never given up half way, for a light takes no half of a colour.
        lamp.set((index % 2 == 0).then_some(colour)).await;
        if let Either::First(()) = select(CHANGED.wait(), Timer::after_millis(ms)).await {
            return false;
        }
    }
    true
}
