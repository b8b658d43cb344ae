//! ESP32-C2 (ESP8684) on Espressif's DevKitM-1, and boards like it. Without the RMT there is no DHT
//! sensor; of the board's three lights the blue one shows the state.

use device::retained::BYTES;
use esp_hal::{
    gpio::{Level, Output, OutputConfig},
    peripherals::Peripherals,
    ram,
};
use mbedtls_rs_sys::hook::backend::esp::EspAccel;

use super::{Board, parts};
use crate::platform::{sensor, thermometer};

#[path = "../platform/lamp/plain.rs"]
pub(crate) mod lamp;

/// The chip, as its maker writes it.
pub(crate) const CHIP: &str = "ESP32-C2";

/// The most that the radio sends with, in quarters of a dBm. With more than 65 some boards fail to
/// authenticate (esp-radio 1.0.0-beta.1, `wifi`, "Troubleshooting").
pub(crate) const TX_POWER_QUARTER_DBM: i8 = 60;

/// In memory that no start code clears; the chip has no other that keeps its content.
#[unsafe(link_section = ".noinit")]
#[expect(
    unsafe_code,
    reason = "esp-hal has a safe name only for memory of the RTC"
)]
pub(crate) static mut RETAINED: [u8; BYTES] = [0; BYTES];

/// Gives the allocator its memory: what the second-stage bootloader leaves behind, and a part of the
/// memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
}

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        Self {
            timers: peripherals.TIMG0,
            context_switch: peripherals.FROM_CPU_INTR0,
            clock: peripherals.RTC_TIMER,
            flash: peripherals.FLASH,
            wifi: peripherals.WIFI,
            #[cfg(not(feature = "hci-uart"))]
            bluetooth: peripherals.BT,
            #[cfg(feature = "hci-uart")]
            bluetooth: parts::hci_line(
                peripherals.UART1,
                peripherals.GPIO6,
                peripherals.GPIO7,
                peripherals.GPIO10,
                peripherals.GPIO5,
            ),
            accelerators: EspAccel::new()
                .with_sha(peripherals.SHA)
                .with_ecc(peripherals.ECC),
            thermometer: thermometer::Port,
            sensor: sensor::Port,
            // The BOOT button.
            button: parts::button(peripherals.GPIO9),
            light: lamp::Port {
                pin: Output::new(peripherals.GPIO8, Level::Low, OutputConfig::default()),
                lit: Level::High,
            },
        }
    }
}
