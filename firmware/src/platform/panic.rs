//! What a panic leaves behind: a mark that survives the restart.

use esp_hal::ram;
// The panic handler itself, which prints the message and the addresses of the callers.
use esp_backtrace as _;

/// Says that the mark was made by us: memory holds anything after power-on.
const PANICKED: u32 = 0x70a1_c0de;

/// In memory that keeps its content through a restart, and that no start code clears.
#[ram(unstable(rtc_fast, persistent))]
static mut MARK: u32 = 0;

/// Called by the panic handler when it has printed everything.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the symbol that esp-backtrace calls")]
extern "Rust" fn custom_halt() -> ! {
    // SAFETY: nothing else runs any more, and a u32 has no invalid values.
    unsafe { (&raw mut MARK).write_volatile(PANICKED) };
    esp_hal::system::software_reset()
}

/// Whether the last life ended in a panic. Forgets it.
#[expect(
    unsafe_code,
    reason = "memory that the start code leaves alone is only reached so"
)]
pub(crate) fn take_mark() -> bool {
    // SAFETY: read once at the start, before any other task runs; a u32 has no invalid values.
    let mark = unsafe { (&raw mut MARK).read_volatile() };
    // SAFETY: as above.
    unsafe { (&raw mut MARK).write_volatile(0) };
    mark == PANICKED
}
