//! Ordinary memory, which keeps its content through a restart as long as there is power: for chips
//! without memory of the RTC.
//!
//! The linker script of esp-hal 1.2.2 puts it right below the main stack, and there is no other place:
//! what lies above the stack, the bootloader uses at each start, and everything else is cleared. So
//! what overflows the stack, the panic that tells of it included, may spoil this first. Its checksum
//! then tells, and nothing is reported but the reason of the restart.

use device::retained::BYTES;

/// No start code clears it.
#[unsafe(link_section = ".noinit")]
#[expect(
    unsafe_code,
    reason = "esp-hal has a safe name only for memory of the RTC"
)]
pub(crate) static mut RETAINED: [u8; BYTES] = [0; BYTES];
