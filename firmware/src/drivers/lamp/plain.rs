//! A light of one colour between a pin and ground or supply.

use esp_hal::gpio::{Level, Output};

use crate::drivers::Colour;

/// What the board connects.
pub(crate) struct Port {
    pub(crate) pin: Output<'static>,
    /// The level at which it is lit.
    pub(crate) lit: Level,
}

/// The light.
pub(crate) struct Lamp(Port);

impl Lamp {
    pub(crate) fn new(port: Port) -> Self {
        Self(port)
    }

    /// Shines, whatever the colour; dark without one.
    pub(crate) async fn set(&mut self, colour: Option<Colour>) {
        let Port { pin, lit } = &mut self.0;
        pin.set_level(if colour.is_some() { *lit } else { !*lit });
    }
}
