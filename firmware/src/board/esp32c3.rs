//! ESP32-C3 on Espressif's DevKitM-1 and DevKitC-02, and boards like them.

use device::retained::BYTES;
use esp_hal::{peripherals::Peripherals, ram};
use mbedtls_rs_sys::hook::backend::esp::EspAccel;

use super::{Board, parts};

#[path = "../platform/lamp/addressable.rs"]
pub(crate) mod lamp;

/// The chip, as its maker writes it.
pub(crate) const CHIP: &str = "ESP32-C3";

/// The most that the radio sends with, in quarters of a dBm. With more than 65 some boards fail to
/// authenticate (esp-radio 1.0.0-beta.1, `wifi`, "Troubleshooting").
pub(crate) const TX_POWER_QUARTER_DBM: i8 = 60;

/// In memory that keeps its content through a restart, and that no start code clears.
#[ram(unstable(rtc_fast, persistent))]
pub(crate) static mut RETAINED: [u8; BYTES] = [0; BYTES];

/// Gives the allocator its memory: what the second-stage bootloader leaves behind (66,320 bytes,
/// esp-bootloader-esp-idf 0.6.0), and a part of the memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 136 * 1024);
}

impl Board {
    pub(crate) fn new(peripherals: Peripherals) -> Self {
        let pulses = parts::pulses(peripherals.RMT);
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
                .with_aes(peripherals.AES)
                .with_rsa(peripherals.RSA),
            thermometer: peripherals.TSENS,
            sensor: parts::dht(pulses.channel2, peripherals.GPIO4),
            // The BOOT button.
            button: parts::button(peripherals.GPIO9),
            light: lamp::port(pulses.channel0, peripherals.GPIO8),
        }
    }
}
