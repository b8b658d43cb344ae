//! The greenhouse: what it is wired to on a board, by esp-hal.

use embassy_time::Delay;
use esp_hal::{
    Async,
    gpio::{Input, Output},
    i2c::master::I2c,
};
use greenhouse::Greenhouse;

/// What the board connects.
pub(crate) struct Port {
    /// The bus that the SHT4x is on.
    pub(crate) bus: I2c<'static, Async>,
    /// The relay of the pump, which closes when its pin is high.
    pub(crate) relay: Output<'static>,
    /// A button that connects its pin to ground.
    pub(crate) button: Input<'static>,
}

/// The greenhouse by these parts.
pub(crate) type Carried = Greenhouse<I2c<'static, Async>, Output<'static>, Input<'static>, Delay>;

/// The greenhouse of this board.
pub(crate) fn product(port: Port) -> Carried {
    Greenhouse::new(port.bus, port.relay, port.button, Delay)
}
