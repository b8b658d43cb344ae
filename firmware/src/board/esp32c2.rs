//! ESP32-C2 (ESP8684) on Espressif's DevKitM-1, and boards like it. Without the RMT there is no DHT
//! sensor; of the board's three lights the blue one shows the state.

use esp_hal::{
    gpio::{Level, Output, OutputConfig},
    peripherals::Peripherals,
};

use super::{Board, parts};

#[path = "../platform/lamp/plain.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO6, rx: GPIO7, rts: GPIO10, cts: GPIO5),
            #[cfg(not(feature = "greenhouse"))]
            sensor: crate::platform::sensor::Port,
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO2, scl: GPIO3, relay: GPIO4, button: GPIO1),
            // The BOOT button.
            button: parts::button(peripherals.GPIO9),
            light: lamp::Port {
                pin: Output::new(peripherals.GPIO8, Level::Low, OutputConfig::default()),
                lit: Level::High,
            },
        }
    }
}
