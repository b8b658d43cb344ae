//! When the program itself is wrong: says so on the console, and ends QEMU with a code that no
//! test takes for success.

use core::panic::PanicInfo;

use riscv_rt::TrapFrame;

use super::power;
use super::uart::println;

/// The exit code after a panic.
const PANICKED: u8 = 101;
/// The exit code after a trap.
const TRAPPED: u8 = 102;

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    println!("panic: {info}");
    power::switch_off(PANICKED)
}

/// An access or instruction that the processor refused.
#[unsafe(export_name = "ExceptionHandler")]
fn trapped(frame: &TrapFrame) -> ! {
    use riscv::register::{mcause, mepc, mtval};
    println!(
        "trap: cause {} at {:#010x}, called from {:#010x}, value {:#010x}",
        mcause::read().code(),
        mepc::read(),
        frame.ra,
        mtval::read(),
    );
    power::switch_off(TRAPPED)
}
