//! ESP32-C61 on Espressif's DevKitC-1, and boards like it. Without the RMT there is neither a DHT
//! sensor nor the board's addressable light.

use esp_hal::peripherals::Peripherals;

use super::{Board, parts};

#[path = "../platform/lamp/none.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
            #[cfg(not(feature = "greenhouse"))]
            sensor: crate::platform::sensor::Port,
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO0, scl: GPIO1, relay: GPIO3, button: GPIO2),
            // The BOOT button.
            button: parts::button(peripherals.GPIO9),
            light: lamp::Port,
        }
    }
}
