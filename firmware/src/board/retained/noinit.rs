//! Ordinary memory, which keeps its content through a restart as long as there is power: for chips
//! without memory of the RTC.

use device::retained::BYTES;

/// No start code clears it.
#[unsafe(link_section = ".noinit")]
#[expect(
    unsafe_code,
    reason = "esp-hal has a safe name only for memory of the RTC"
)]
pub(crate) static mut RETAINED: [u8; BYTES] = [0; BYTES];
