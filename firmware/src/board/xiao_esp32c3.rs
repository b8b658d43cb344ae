//! ESP32-C3 on Seeed Studio's XIAO: the example of a board that is not Espressif's. It has no light
//! that a program could switch; the DHT is on its pin D2.

use esp_hal::peripherals::Peripherals;

use super::{Board, parts};

#[path = "../platform/lamp/none.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
        Self {
            chip: parts::chip!(peripherals),
            // D4, D5, D10, D3.
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
            #[cfg(not(feature = "greenhouse"))]
            sensor: parts::dht!(peripherals, pulses, GPIO4),
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO20, scl: GPIO21, relay: GPIO3, button: GPIO2),
            // The BOOT button.
            button: parts::button(peripherals.GPIO9),
            light: lamp::Port,
        }
    }
}
