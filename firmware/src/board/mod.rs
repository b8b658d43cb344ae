//! The boards: the only place that names a chip.
//!
//! - A board's file is a table ([`parts`]): which pin does what, and what light there is. The build script takes
//!   the one that `BOARD` names, or else the one with the name of the chip, which is Espressif's own.
//! - A chip's file, in `chips/`, is one, too ([`facts`]): how much heap there is, where memory outlives a restart,
//!   how a sagging supply is noticed, what of TLS is computed in hardware, and, where there is an RMT, which
//!   channel receives pulses.
//!
//! Everything else in the firmware takes what it needs from [`Board`].

mod facts;
mod parts;

// `mod chosen`, from the board's file, and `mod this_chip`, from the chip's.
include!(concat!(env!("OUT_DIR"), "/board.rs"));

pub(crate) use chosen::{TX_POWER_QUARTER_DBM, lamp};
pub(crate) use this_chip::{NAME as CHIP, RETAINED, claim_heap, detect_brownout};

use esp_hal::{
    gpio::{Input, Level},
    peripherals::{FLASH, FROM_CPU_INTR0, RTC_TIMER, TIMG0, WIFI},
};

#[cfg(feature = "lent")]
use esp_hal::{Async, gpio::Output, i2c::master::I2c};

use crate::drivers::{accelerators, bluetooth, sealer, thermometer};

/// What is soldered on, and the parts of the chip that the device uses.
pub(crate) struct Board {
    pub(crate) chip: Chip,
    /// The chip's radio, or the line to a controller beside it.
    pub(crate) bluetooth: bluetooth::Port,
    pub(crate) lent: Lent,
    pub(crate) button: Button,
    pub(crate) light: lamp::Port,
}

/// What is the same on every board with this chip.
pub(crate) struct Chip {
    pub(crate) timers: TIMG0<'static>,
    pub(crate) context_switch: FROM_CPU_INTR0<'static>,
    pub(crate) clock: RTC_TIMER<'static>,
    pub(crate) flash: FLASH<'static>,
    pub(crate) wifi: WIFI<'static>,
    /// What of TLS the chip computes in hardware.
    pub(crate) accelerators: accelerators::Port,
    /// What opens keys that are sealed for this chip.
    pub(crate) sealer: sealer::Port,
    pub(crate) thermometer: thermometer::Port,
}

/// A push button between a pin and ground or supply.
pub(crate) struct Button {
    pub(crate) pin: Input<'static>,
    /// The level while it is pressed.
    pub(crate) pressed: Level,
}

/// What a board lends its product.
pub struct Lent {
    /// A sensor of the DHT family, for the stock product.
    #[cfg(not(feature = "lent"))]
    pub(crate) sensor: crate::drivers::sensor::Port,
    /// A bus for sensors: I2C, 100 kHz.
    #[cfg(feature = "lent")]
    pub bus: I2c<'static, Async>,
    /// A relay, which closes when its pin is high.
    #[cfg(feature = "lent")]
    pub relay: Output<'static>,
    /// A button that connects its pin to ground.
    #[cfg(feature = "lent")]
    pub button: Input<'static>,
}
