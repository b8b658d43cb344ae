//! ESP32-C5 on Espressif's DevKitC-1, and boards like it.

use esp_hal::peripherals::Peripherals;

use super::{Board, parts};

#[path = "../platform/lamp/addressable.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
            #[cfg(not(feature = "greenhouse"))]
            sensor: parts::dht!(peripherals, pulses, GPIO4),
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO0, scl: GPIO1, relay: GPIO3, button: GPIO8),
            // The BOOT button.
            button: parts::button(peripherals.GPIO28),
            light: lamp::port(pulses.channel0, peripherals.GPIO27),
        }
    }
}
