//! What a panic leaves behind: lines on the console, and a record that survives the restart.

use core::hint::black_box;
use core::panic::PanicInfo;

use device::retained::{self, BYTES, PanicRecord};
use esp_backtrace::Backtrace;
use esp_println::println;

use crate::board::RETAINED;

/// Memory that outlives a restart.
pub(crate) struct Retained;

#[expect(
    unsafe_code,
    reason = "memory that the start code leaves alone is only reached so"
)]
impl retained::Memory for Retained {
    fn read(&self) -> [u8; BYTES] {
        // SAFETY: only the device's task touches it, and a panic, after which nothing else runs;
        // any bytes are a valid value. The compiler must not know that it is the variable above,
        // which seems to be zero at the start (and reads a volatile array byte by byte, in 4 KiB
        // of code).
        unsafe { *black_box(&raw const RETAINED) }
    }

    fn write(&self, bytes: &[u8; BYTES]) {
        // SAFETY: as above.
        unsafe { *black_box(&raw mut RETAINED) = *bytes };
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let backtrace = Backtrace::capture();
    let callers = backtrace
        .frames()
        .iter()
        .map(|frame| frame.program_counter() as u32);
    // Before anything that could fail in its turn.
    let record = match info.location() {
        Some(place) => PanicRecord::new(info.message(), place, callers.clone()),
        None => PanicRecord::new(info.message(), "", callers.clone()),
    };
    retained::note_panic(&Retained, record);
    // As esp-backtrace prints it, for the monitors that decode it.
    println!("\n====================== PANIC ======================\n{info}\n\nBacktrace:\n");
    for caller in callers {
        println!("{caller:#x}");
    }
    esp_hal::system::software_reset()
}
