//! ESP32-C5.

use esp_hal::ram;

#[path = "../brownout/lp_ana.rs"]
mod brownout;
#[path = "../retained/rtc.rs"]
mod retained;

pub(crate) use brownout::detect_brownout;
pub(crate) use retained::RETAINED;

/// As its maker writes it.
pub(crate) const NAME: &str = "ESP32-C5";

/// Gives the allocator its memory: what the second-stage bootloader leaves behind, and a part of the
/// memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 63 * 1024);
    esp_alloc::heap_allocator!(size: 144 * 1024);
}

/// What of TLS the chip computes in hardware.
macro_rules! accelerators {
    ($peripherals:ident) => {
        mbedtls_rs_sys::hook::backend::esp::EspAccel::new()
            .with_sha($peripherals.SHA)
            .with_aes($peripherals.AES)
            .with_rsa($peripherals.RSA)
            .with_ecc($peripherals.ECC)
    };
}
pub(crate) use accelerators;

/// The first of the channels that receive pulses; channel 0 transmits on every chip.
macro_rules! pulse_receiver {
    ($pulses:ident) => {
        $pulses.channel2
    };
}
pub(crate) use pulse_receiver;
