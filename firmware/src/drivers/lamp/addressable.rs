//! An addressable light, a WS2812 or its like, fed by a pulse transmitter (RMT).

use embassy_time::{Duration, Timer};
use esp_hal::{
    Async,
    gpio::{Level, OutputPin},
    rmt::{Channel, PulseCode, Tx, TxChannelConfig, TxChannelCreator},
};

use crate::drivers::Colour;

/// What the board connects: a pulse transmitter that drives the light's wire.
pub(crate) type Port = Channel<'static, Async, Tx>;

/// The light.
pub(crate) struct Lamp(Port);

/// Times of the WS2812, in periods of 12.5 ns: 0.35 µs high and 0.8 µs low for a 0, 0.7 µs and
/// 0.6 µs for a 1.
const ZERO: PulseCode = PulseCode::new(Level::High, 28, Level::Low, 64);
const ONE: PulseCode = PulseCode::new(Level::High, 56, Level::Low, 48);

/// How long the wire rests until what was sent is shown: 280 µs with the newer ones. What is sent
/// before is for the next light on the wire, of which there is none.
const SHOWS: Duration = Duration::from_micros(300);

/// The light on this pin. The transmitter counts periods of its 80 MHz clock, and rests low.
pub(crate) fn port(
    channel: impl TxChannelCreator<'static, Async>,
    pin: impl OutputPin + 'static,
) -> Port {
    let config = TxChannelConfig::default()
        .with_clk_divider(1)
        .with_idle_output(true)
        .with_idle_output_level(Level::Low);
    channel
        .configure_tx(&config)
        .expect("the channel is free")
        .with_pin(pin)
}

impl Lamp {
    pub(crate) fn new(port: Port) -> Self {
        Self(port)
    }

    /// Shines; dark without a colour. Has to be awaited to its end.
    pub(crate) async fn set(&mut self, colour: Option<Colour>) {
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
        Timer::after(SHOWS).await;
    }
}
