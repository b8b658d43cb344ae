//! QEMU's machine `virt`: where its devices are, and the least that is needed to use them.
//!
//! All addresses and interrupt numbers are from QEMU v7.2.22, hw/riscv/virt.c, `virt_memmap` and
//! include/hw/riscv/virt.h. What the device needs of the board is in [`platform`](crate::platform);
//! no other part of the program touches memory by its address.
#![expect(
    unsafe_code,
    reason = "registers, linker symbols and C functions are reached only so"
)]

mod c;
mod clock;
pub(crate) mod ethernet;
pub(crate) mod executor;
pub(crate) mod heap;
mod interrupts;
pub(crate) mod nor;
pub(crate) mod options;
mod panic;
pub(crate) mod power;
pub(crate) mod random;
mod register;
pub(crate) mod serial;
pub(crate) mod stack;
pub(crate) mod uart;
mod virtio;
mod watchdog;

use register::Register;

/// Makes ready what everything else stands on: heap, interrupts, and what survived a restart.
pub(crate) fn wake_up() {
    stack::paint();
    heap::claim();
    power::look_back();
    uart::listen();
    interrupts::enable();
}

/// Puts the watchdog off; the first time, starts it.
pub(crate) fn feed_watchdog() {
    if watchdog::feed() {
        clock::interrupt();
    }
}

/// Sets the logger for good. To be called once, before anything logs: the target has no atomic
/// exchange, by which a second call could be told from the first.
pub(crate) fn set_logger(logger: &'static dyn log::Log, most: log::LevelFilter) {
    // SAFETY: there is one hart, and no interrupt handler logs.
    let set = unsafe { log::set_logger_racy(logger) };
    set.expect("the logger is set once");
    // SAFETY: as above.
    unsafe { log::set_max_level_racy(most) };
}
