//! The boards: the only place that names a chip.
//!
//! - A board's file says which pin does what, and what light there is. The build script takes the
//!   one that `BOARD` names, or else the one with the name of the chip, which is Espressif's own.
//! - A chip's file, in `chips/`, says how much heap there is, where memory outlives a restart, what
//!   of TLS is computed in hardware, how a sagging supply is noticed, and, where there is an RMT, which
//!   channel receives pulses.
//!
//! Each has the same items as the others of its kind. Everything else in the firmware takes what it
//! needs from [`Board`].

mod parts;

// `mod chosen`, from the board's file, and `mod this_chip`, from the chip's.
include!(concat!(env!("OUT_DIR"), "/board.rs"));

pub(crate) use chosen::lamp;
pub(crate) use this_chip::{NAME as CHIP, RETAINED, claim_heap, detect_brownout};

use esp_hal::{
    gpio::{Input, Level},
    peripherals::{FLASH, FROM_CPU_INTR0, RTC_TIMER, TIMG0, WIFI},
};

use crate::platform::{accelerators, bluetooth, thermometer};

/// What is soldered on, and the parts of the chip that the device uses.
pub(crate) struct Board {
    pub(crate) chip: Chip,
    /// The chip's radio, or the line to a controller beside it.
    pub(crate) bluetooth: bluetooth::Port,
    #[cfg(not(feature = "greenhouse"))]
    pub(crate) sensor: crate::platform::sensor::Port,
    #[cfg(feature = "greenhouse")]
    pub(crate) greenhouse: crate::platform::greenhouse::Port,
    pub(crate) button: Button,
    pub(crate) light: lamp::Port,
}

/// What a board has unless its file says otherwise: a constant of the same name in its
/// `impl Board` goes before.
trait Usual {
    /// See [`TX_POWER_QUARTER_DBM`].
    const TX_POWER_QUARTER_DBM: i8 = 60;
}

impl Usual for Board {}

// A board that has everything of its own leaves no other use of the trait.
const _: i8 = <Board as Usual>::TX_POWER_QUARTER_DBM;

/// The most that the radio sends with, in quarters of a dBm. With more than 65 some boards fail to
/// authenticate (esp-radio 1.0.0-beta.1, `wifi`, "Troubleshooting").
pub(crate) const TX_POWER_QUARTER_DBM: i8 = Board::TX_POWER_QUARTER_DBM;

/// What is the same on every board with this chip.
pub(crate) struct Chip {
    pub(crate) timers: TIMG0<'static>,
    pub(crate) context_switch: FROM_CPU_INTR0<'static>,
    pub(crate) clock: RTC_TIMER<'static>,
    pub(crate) flash: FLASH<'static>,
    pub(crate) wifi: WIFI<'static>,
    /// What of TLS the chip computes in hardware.
    pub(crate) accelerators: accelerators::Port,
    pub(crate) thermometer: thermometer::Port,
}

/// A push button between a pin and ground or supply.
pub(crate) struct Button {
    pub(crate) pin: Input<'static>,
    /// The level while it is pressed.
    pub(crate) pressed: Level,
}
