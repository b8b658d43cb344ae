//! The light on the board shows the state of the device; one of one colour by its pattern alone.
//!
//! | state | colour | pattern |
//! |---|---|---|
//! | waiting to be provisioned | blue | slow blinking |
//! | joining, setting the clock, connecting | yellow | quick blinking |
//! | online | green | steady |
//! | somebody has to look: flash, credentials | red | double blink |

use crate::board::lamp::{Lamp, Port};
use device::event::Event;
use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, signal::Signal};
use embassy_time::Timer;

/// What the light shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Provisioning,
    Connecting,
    Online,
    Fault,
}

static STATE: Signal<CriticalSectionRawMutex, State> = Signal::new();

/// Shows what an event means, if it means a change.
pub(crate) fn notice(event: &Event) {
    let state = match event {
        Event::ProvisioningStarted { .. } => State::Provisioning,
        Event::Joining { .. }
        | Event::JoinFailed { .. }
        | Event::WifiLost
        | Event::ClockFailed { .. }
        | Event::Connecting { .. }
        | Event::ConnectionFailed { .. } => State::Connecting,
        Event::Online { .. } => State::Online,
        Event::StorageFailed(_) | Event::CredentialsRefused(_) => State::Fault,
        _ => return,
    };
    STATE.signal(state);
}

/// Starts the task that drives the light.
pub(crate) fn start(port: Port, spawner: Spawner) {
    spawner.spawn(shine(Lamp::new(port)).expect("it is spawned once"));
}

/// Milliseconds lit and dark by turns.
type Pattern = &'static [u64];

impl State {
    fn pattern(self) -> (Colour, Pattern) {
        match self {
            Self::Provisioning => ([0, 0, 24], &[1000, 1000]),
            Self::Connecting => ([20, 12, 0], &[150, 350]),
            Self::Online => ([0, 12, 0], &[]),
            Self::Fault => ([32, 0, 0], &[150, 150, 150, 1050]),
        }
    }
}

#[embassy_executor::task]
async fn shine(mut lamp: Lamp) {
    let mut state = STATE.wait().await;
    loop {
        let (colour, pattern) = state.pattern();
        let blinking = async {
            lamp.set(Some(colour)).await;
            if pattern.is_empty() {
                core::future::pending::<()>().await;
            }
            loop {
                for (index, &ms) in pattern.iter().enumerate() {
                    lamp.set((index % 2 == 0).then_some(colour)).await;
                    Timer::after_millis(ms).await;
                }
            }
        };
        let changed = async { state = STATE.wait().await };
        select(blinking, changed).await;
    }
}

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];
