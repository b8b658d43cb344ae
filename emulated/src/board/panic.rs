//! When the program itself is wrong: does what the firmware does, and restarts.

use core::fmt;
use core::panic::PanicInfo;

use device::platform::BuildId;
use device::retained::{self, PanicBody};
use riscv::register::mstatus;
use riscv_rt::TrapFrame;

use super::power;
use super::uart::println;

/// The exit code if something else could still run during a panic.
const NOT_ALONE: u8 = 104;

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    retained::panicked(info, &Machine)
}

/// The machine at a panic. Without frame pointers nobody knows the callers.
struct Machine;

impl PanicBody for Machine {
    fn memory(&self) -> &dyn retained::Memory {
        &power::Retained
    }

    fn callers(&self) -> impl Iterator<Item = u32> {
        core::iter::empty()
    }

    /// Nobody makes an image of this program.
    fn build(&self) -> BuildId {
        BuildId::default()
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        if mstatus::read().mie() {
            println!("interrupts are served during a panic");
            power::switch_off(NOT_ALONE);
        }
        println!("{line}");
    }

    fn restart(&self) -> ! {
        power::restart()
    }
}

/// An access or instruction that the processor refused: a panic, as on the chip.
#[unsafe(export_name = "ExceptionHandler")]
fn trapped(frame: &TrapFrame) -> ! {
    use riscv::register::{mcause, mepc, mtval};
    panic!(
        "trap: cause {} at {:#010x}, called from {:#010x}, value {:#010x}",
        mcause::read().code(),
        mepc::read(),
        frame.ra,
        mtval::read(),
    );
}
