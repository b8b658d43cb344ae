//! ESP32-C2.

use esp_hal::ram;

#[path = "../brownout/rtc_cntl.rs"]
mod brownout;
#[path = "../retained/noinit.rs"]
mod retained;

pub(crate) use retained::RETAINED;

/// Lets a supply that sags reset the chip.
pub(crate) fn detect_brownout() {
    brownout::enable(0);
}

/// As its maker writes it.
pub(crate) const NAME: &str = "ESP32-C2";

/// Gives the allocator its memory: what the second-stage bootloader leaves behind, and a part of the
/// memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 32 * 1024);
}

/// What of TLS the chip computes in hardware.
macro_rules! accelerators {
    ($peripherals:ident) => {
        mbedtls_rs_sys::hook::backend::esp::EspAccel::new()
            .with_sha($peripherals.SHA)
            .with_ecc($peripherals.ECC)
    };
}
pub(crate) use accelerators;
