//! The boards: the only place that names a chip.
//!
//! A board is one file of facts (how much heap, which pin does what, what light there is) with the
//! same items in each. The build script takes the one that `BOARD` names, or else the one with the
//! name of the chip, which is Espressif's own board. Everything else in the firmware takes what it
//! needs from [`Board`].

mod parts;

// `mod chosen`, from the board's file.
include!(concat!(env!("OUT_DIR"), "/board.rs"));

pub(crate) use chosen::{CHIP, RETAINED, TX_POWER_QUARTER_DBM, claim_heap, lamp};

use esp_hal::{
    gpio::{Input, Level},
    peripherals::{FLASH, FROM_CPU_INTR0, RTC_TIMER, TIMG0, WIFI},
};

use crate::platform::{accelerators, bluetooth, sensor, thermometer};

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
