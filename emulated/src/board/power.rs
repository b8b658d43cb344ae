//! Restarting and switching off, and what is remembered through a restart: the calendar time, as a
//! chip's clock runs on, and why the restart was.
//!
//! QEMU resets its devices and loads the program again; memory that is not loaded keeps its
//! content.

use core::cell::Cell;
use core::hint::black_box;

use critical_section::Mutex;
use device::platform::ResetReason;
use device::retained;
use embassy_time::Instant;

use super::Register;

// SAFETY: the test device (hw/misc/sifive_test.c), which ends or resets the machine.
const TEST: Register = unsafe { Register::at(0x0010_0000) };
const FAIL: u32 = 0x3333;
const PASS: u32 = 0x5555;
const RESET: u32 = 0x7777;

/// Says that the memory below was written by [`restart`]: after power-on it is zero.
const WRITTEN: u32 = 0x9e57_a47e;
/// The same by [`bite`].
const BITTEN: u32 = 0xb177_e49d;

/// What a restart leaves behind.
#[derive(Clone, Copy)]
struct Remembered {
    mark: u32,
    /// Milliseconds since 1970 UTC at the restart, 0 if not known.
    unix_ms: u64,
    /// Milliseconds between power-on and the restart.
    powered_ms: u64,
}

#[unsafe(link_section = ".uninit.remembered")]
static mut REMEMBERED: Remembered = NOTHING;

const NOTHING: Remembered = Remembered {
    mark: 0,
    unix_ms: 0,
    powered_ms: 0,
};

#[unsafe(link_section = ".uninit.retained")]
static mut RETAINED: [u8; retained::BYTES] = [0; retained::BYTES];

/// Memory that outlives a restart.
pub(crate) struct Retained;

impl retained::Memory for Retained {
    fn read(&self) -> [u8; retained::BYTES] {
        // SAFETY: there is one thread, no interrupt touches it, and any bytes are a valid value.
        // The compiler must not know that it is the variable above, which seems to be zero at the
        // start.
        unsafe { *black_box(&raw const RETAINED) }
    }

    fn write(&self, bytes: &[u8; retained::BYTES]) {
        // SAFETY: as above.
        unsafe { *black_box(&raw mut RETAINED) = *bytes };
    }
}

/// Milliseconds between 1970 UTC and this life's boot, once known.
static EPOCH: Mutex<Cell<Option<u64>>> = Mutex::new(Cell::new(None));
/// Milliseconds between power-on and this life's boot.
static BEFORE_MS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));
static WHY: Mutex<Cell<ResetReason>> = Mutex::new(Cell::new(ResetReason::PowerOn));

/// Finds out whether this is a restart.
pub(super) fn look_back() {
    // SAFETY: runs once, before anything else could touch it; any bytes are a valid value.
    let remembered = unsafe { (&raw mut REMEMBERED).read_volatile() };
    // SAFETY: as above. What is forgotten now cannot be taken for a later restart's.
    unsafe { (&raw mut REMEMBERED).write_volatile(NOTHING) };
    let why = match remembered.mark {
        WRITTEN => ResetReason::Software,
        BITTEN => ResetReason::Watchdog,
        _ => return,
    };
    critical_section::with(|cs| {
        WHY.borrow(cs).set(why);
        let epoch = (remembered.unix_ms != 0).then_some(remembered.unix_ms);
        EPOCH.borrow(cs).set(epoch);
        BEFORE_MS.borrow(cs).set(remembered.powered_ms);
    });
}

/// Why the machine started: the device restarted itself, the watchdog bit, or power came on.
pub(crate) fn cause() -> ResetReason {
    critical_section::with(|cs| WHY.borrow(cs).get())
}

/// Milliseconds since 1970 UTC, once set since power-on.
pub(crate) fn unix_ms() -> Option<u64> {
    let epoch = critical_section::with(|cs| EPOCH.borrow(cs).get())?;
    Some(epoch + Instant::now().as_millis())
}

/// Sets the calendar time.
pub(crate) fn set_unix_ms(unix_ms: u64) {
    let epoch = unix_ms.saturating_sub(Instant::now().as_millis());
    critical_section::with(|cs| EPOCH.borrow(cs).set(Some(epoch)));
}

/// Milliseconds since power-on. Those that a restart takes are none.
pub(crate) fn powered_ms() -> u64 {
    critical_section::with(|cs| BEFORE_MS.borrow(cs).get()) + Instant::now().as_millis()
}

/// Starts the machine again.
pub(crate) fn restart() -> ! {
    start_again(WRITTEN)
}

/// What the watchdog does.
pub(super) fn bite() -> ! {
    start_again(BITTEN)
}

fn start_again(mark: u32) -> ! {
    let remembered = Remembered {
        mark,
        unix_ms: unix_ms().unwrap_or(0),
        powered_ms: powered_ms(),
    };
    // SAFETY: nothing else touches it, and the machine restarts before it is read.
    unsafe { (&raw mut REMEMBERED).write_volatile(remembered) };
    end(RESET)
}

/// Ends QEMU with this exit code.
pub(crate) fn switch_off(code: u8) -> ! {
    end(match code {
        0 => PASS,
        code => u32::from(code) << 16 | FAIL,
    })
}

fn end(how: u32) -> ! {
    TEST.write(how);
    // QEMU takes notice between two instructions.
    loop {
        riscv::asm::wfi();
    }
}
