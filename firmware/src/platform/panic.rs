//! What a panic leaves behind: lines on the console, and a record that survives the restart. What is
//! done, and in which order, is [`device::retained::panicked`]'s business.

use core::fmt;
use core::hint::black_box;
use core::panic::PanicInfo;

use device::platform::BuildId;
use device::retained::{self, BYTES, PanicBody};
use esp_backtrace::Backtrace;
use esp_bootloader_esp_idf::EspAppDesc;
use esp_println::println;

use crate::board::RETAINED;

#[expect(unsafe_code, reason = "the program that this is linked into has it")]
unsafe extern "Rust" {
    /// What `esp_app_desc!` makes.
    #[link_name = "esp_app_desc"]
    safe static DESCRIPTION: EspAppDesc;
}

/// Which build this is, as whoever made the image wrote into its description. The compiler must not know that
/// it is the variable above, which it has as zeros.
pub(super) fn build() -> BuildId {
    let sha256 = black_box(&DESCRIPTION).app_elf_sha256();
    BuildId(sha256.first_chunk().copied().unwrap_or_default())
}

/// Memory that outlives a restart.
pub(crate) struct Retained;

#[expect(
    unsafe_code,
    reason = "memory that the start code leaves alone is only reached so"
)]
impl retained::Memory for Retained {
    fn read(&self) -> [u8; BYTES] {
        // SAFETY: only the device's task touches it, and a panic, while which interrupts are held back
        // and nothing else runs;
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
    retained::panicked(info, &Chip(Backtrace::capture()))
}

/// The chip at a panic, with the callers.
struct Chip(Backtrace);

impl PanicBody for Chip {
    fn memory(&self) -> &dyn retained::Memory {
        &Retained
    }

    fn callers(&self) -> impl Iterator<Item = u32> {
        let frames = self.0.frames().iter();
        frames.map(|frame| frame.program_counter() as u32)
    }

    fn build(&self) -> BuildId {
        build()
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        println!("{line}");
    }

    fn restart(&self) -> ! {
        esp_hal::system::software_reset()
    }
}
