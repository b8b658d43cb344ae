//! Espressif's ESP32-DevKitC, and boards like it. Its only light is for power; many of the others
//! have a plain one on GPIO2, where an LED can be connected to Espressif's, too.

use esp_hal::{
    gpio::{Level, Output, OutputConfig},
    peripherals::Peripherals,
};

use super::{Board, parts};

#[path = "../platform/lamp/plain.rs"]
pub(crate) mod lamp;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO17, rx: GPIO16, rts: GPIO18, cts: GPIO19),
            #[cfg(not(feature = "greenhouse"))]
            sensor: parts::dht!(peripherals, pulses, GPIO4),
            #[cfg(feature = "greenhouse")]
            greenhouse: parts::greenhouse!(peripherals, sda: GPIO21, scl: GPIO22, relay: GPIO25, button: GPIO26),
            // The BOOT button.
            button: parts::button(peripherals.GPIO0),
            light: lamp::Port {
                pin: Output::new(peripherals.GPIO2, Level::Low, OutputConfig::default()),
                lit: Level::High,
            },
        }
    }
}
