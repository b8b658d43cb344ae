//! ESP32-C61. MbedTLS's bindings have no driver for what it computes in hardware.

use esp_hal::ram;

#[path = "../brownout/lp_ana.rs"]
mod brownout;
#[path = "../retained/noinit.rs"]
mod retained;

pub(crate) use brownout::detect_brownout;
pub(crate) use retained::RETAINED;

/// As its maker writes it.
pub(crate) const NAME: &str = "ESP32-C61";

/// Gives the allocator its memory: what the second-stage bootloader leaves behind, and a part of the
/// memory that the main stack lies in.
pub(crate) fn claim_heap() {
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 63 * 1024);
    esp_alloc::heap_allocator!(size: 88 * 1024);
}

/// What of TLS the chip computes in hardware.
macro_rules! accelerators {
    ($peripherals:ident) => {
        crate::platform::accelerators::Port
    };
}
pub(crate) use accelerators;
