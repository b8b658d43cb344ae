//! ESP32-S3 on Espressif's DevKitC-1 from version 1.1 on, and boards like it. Version 1.0 has its
//! light on GPIO48.

use esp_hal::peripherals::Peripherals;

use super::{Board, parts};

#[path = "../platform/lamp/addressable.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO6, rx: GPIO7, rts: GPIO15, cts: GPIO16),
            #[cfg(not(feature = "greenhouse"))]
            sensor: parts::dht!(peripherals, pulses, GPIO4),
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO1, scl: GPIO2, relay: GPIO12, button: GPIO13),
            // The BOOT button.
            button: parts::button(peripherals.GPIO0),
            light: lamp::port(pulses.channel0, peripherals.GPIO38),
        }
    }
}
