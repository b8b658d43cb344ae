//! An ESP32-DevKitC wired as the C firmware on ESP-IDF 6.1 has it: the DHT is on GPIO23. Else it is as
//! in `esp32.rs`.

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
            sensor: parts::dht!(peripherals, pulses, GPIO23),
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
