//! The boards: the only place that names a chip.
//!
//! A board is one file of facts (how much heap, which pin does what) with the same items in each;
//! a cargo feature chooses it. Everything else in the firmware takes what it needs from
//! [`Board`].

#[cfg(feature = "esp32c3")]
mod esp32c3;
#[cfg(feature = "esp32c6")]
mod esp32c6;

#[cfg(feature = "esp32c3")]
pub(crate) use esp32c3::{CHIP, claim_heap};
#[cfg(feature = "esp32c6")]
pub(crate) use esp32c6::{CHIP, claim_heap};

#[cfg(not(any(feature = "esp32c3", feature = "esp32c6")))]
compile_error!("no board: choose the chip with --features esp32c3 or esp32c6");
#[cfg(all(feature = "esp32c3", feature = "esp32c6"))]
compile_error!("two boards: choose one chip, with --no-default-features");

use esp_hal::{
    Async,
    gpio::{Flex, Input, Level},
    peripherals::{FLASH, FROM_CPU_INTR0, RTC_TIMER, TIMG0, TSENS, WIFI},
    rmt::{Channel, Rx, Tx},
};
use mbedtls_rs_sys::hook::backend::esp::EspAccel;

use crate::platform::bluetooth;

/// What is soldered on, and the parts of the chip that the device uses.
pub(crate) struct Board {
    pub(crate) timers: TIMG0<'static>,
    pub(crate) context_switch: FROM_CPU_INTR0<'static>,
    pub(crate) clock: RTC_TIMER<'static>,
    pub(crate) flash: FLASH<'static>,
    pub(crate) wifi: WIFI<'static>,
    /// The chip's radio, or the line to a controller beside it.
    pub(crate) bluetooth: bluetooth::Port,
    /// What of TLS the chip computes in hardware.
    pub(crate) accelerators: EspAccel<'static>,
    pub(crate) thermometer: TSENS<'static>,
    pub(crate) sensor: SensorPort,
    pub(crate) button: Button,
    pub(crate) light: Light,
}

/// A DHT sensor on one wire, which a pulse receiver listens to.
pub(crate) struct SensorPort {
    pub(crate) wire: Flex<'static>,
    pub(crate) receiver: Channel<'static, Async, Rx>,
}

/// A push button between a pin and ground or supply.
pub(crate) struct Button {
    pub(crate) pin: Input<'static>,
    /// The level while it is pressed.
    pub(crate) pressed: Level,
}

/// The light that shows the state: a WS2812 or its like, fed by a pulse transmitter.
pub(crate) struct Light(pub(crate) Channel<'static, Async, Tx>);
