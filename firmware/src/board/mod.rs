//! The boards: the only place that names a chip.
//!
//! A board is one file of facts (how much heap, which pin does what) with the same items in each;
//! a cargo feature chooses it. Everything else in the firmware takes what it needs from
//! [`Board`].

mod parts;

#[cfg_attr(feature = "esp32", path = "esp32.rs")]
#[cfg_attr(feature = "esp32c2", path = "esp32c2.rs")]
#[cfg_attr(feature = "esp32c3", path = "esp32c3.rs")]
#[cfg_attr(feature = "esp32c5", path = "esp32c5.rs")]
#[cfg_attr(feature = "esp32c6", path = "esp32c6.rs")]
#[cfg_attr(feature = "esp32c61", path = "esp32c61.rs")]
#[cfg_attr(feature = "esp32s3", path = "esp32s3.rs")]
mod chip;

pub(crate) use chip::{CHIP, RETAINED, claim_heap};

use esp_hal::{
    gpio::{Input, Level},
    peripherals::{FLASH, FROM_CPU_INTR0, RTC_TIMER, TIMG0, WIFI},
};

use crate::platform::{accelerators, bluetooth, lamp, sensor, thermometer};

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
    pub(crate) accelerators: accelerators::Port,
    pub(crate) thermometer: thermometer::Port,
    pub(crate) sensor: sensor::Port,
    pub(crate) button: Button,
    pub(crate) light: lamp::Port,
}

/// A push button between a pin and ground or supply.
pub(crate) struct Button {
    pub(crate) pin: Input<'static>,
    /// The level while it is pressed.
    pub(crate) pressed: Level,
}
