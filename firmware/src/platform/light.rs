//! The light on the board shows the state of the device.
//!
//! | state | colour | pattern |
//! |---|---|---|
//! | waiting to be provisioned | blue | slow blinking |
//! | joining, setting the clock, connecting | yellow | quick blinking |
//! | online | green | steady |
//! | somebody has to look: flash, credentials | red | double blink |

use device::event::Event;
use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, signal::Signal};
use embassy_time::Timer;
use esp_hal::{
    Async,
    gpio::Level,
    rmt::{Channel, PulseCode, Tx, TxChannelConfig},
};

use crate::board::Light;

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
        Event::Joining { .. } | Event::WifiLost | Event::Connecting { .. } => State::Connecting,
        Event::Online { .. } => State::Online,
        Event::StorageFailed(_) | Event::CredentialsRefused(_) => State::Fault,
        _ => return,
    };
    STATE.signal(state);
}

/// Starts the task that drives the light.
pub(crate) fn start(light: Light, spawner: Spawner) {
    spawner.spawn(shine(Lamp(light.0)).expect("it is spawned once"));
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
type Colour = [u8; 3];

struct Lamp(Channel<'static, Async, Tx>);

/// Times of the WS2812, in periods of 12.5 ns: 0.35 µs high and 0.8 µs low for a 0, 0.7 µs and
/// 0.6 µs for a 1.
const ZERO: PulseCode = PulseCode::new(Level::High, 28, Level::Low, 64);
const ONE: PulseCode = PulseCode::new(Level::High, 56, Level::Low, 48);

/// The transmitter counts periods of its 80 MHz clock, and rests low.
pub(crate) fn transmitter_config() -> TxChannelConfig {
    TxChannelConfig::default()
        .with_clk_divider(1)
        .with_idle_output(true)
        .with_idle_output_level(Level::Low)
}

impl Lamp {
    async fn set(&mut self, colour: Option<Colour>) {
        let [red, green, blue] = colour.unwrap_or_default();
        let bits = u32::from_be_bytes([0, green, red, blue]);
        let mut codes = [PulseCode::end_marker(); 25];
        for (index, code) in codes.iter_mut().take(24).enumerate() {
            *code = if bits >> (23 - index) & 1 == 1 {
                ONE
            } else {
                ZERO
            };
        }
        if let Err(error) = self.0.transmit(&codes).await {
            log::warn!("light: {error}");
        }
    }
}
