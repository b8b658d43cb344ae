//! Memory of the RTC, which keeps its content through a restart.

use device::retained::BYTES;
use esp_hal::ram;

/// No start code clears it.
#[ram(unstable(rtc_fast, persistent))]
pub(crate) static mut RETAINED: [u8; BYTES] = [0; BYTES];
