//! Espressif's ESP32-DevKitC, and boards like it.

use esp_hal::{
    gpio::{Level, Output, OutputConfig},
    peripherals::Peripherals,
};

use super::{Board, parts};

#[path = "../platform/lamp/plain.rs"]
pub(crate) mod lamp;

pub(crate) use parts::TX_POWER_QUARTER_DBM;

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
        Self {
            chip: parts::chip!(peripherals),
            bluetooth: parts::bluetooth!(peripherals, tx: GPIO17, rx: GPIO16, rts: GPIO18, cts: GPIO19),
            sensor: parts::dht(pulses.channel2, peripherals.GPIO4),
            // The BOOT button.
            button: parts::button(peripherals.GPIO0),
            light: lamp::Port {
                pin: Output::new(peripherals.GPIO2, Level::Low, OutputConfig::default()),
                lit: Level::High,
            },
        }
    }
}
