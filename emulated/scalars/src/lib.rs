//! What the programs that count on QEMU's machine `virt` have in common: its serial port, its switch, its counter.
//!
//! What they count is their own matter.
#![no_std]

use core::fmt::{self, Write as _};
use core::hint::spin_loop;
use core::panic::PanicInfo;

use riscv::register::minstret;

/// By how much an instruction advances the counter, with `-icount shift=3`.
const ADVANCE: u64 = 8;

/// The serial port and the switch of QEMU's machine `virt` (v7.2.22, hw/riscv/virt.c, `virt_memmap`).
const UART: *mut u8 = 0x1000_0000 as *mut u8;
const SWITCH: *mut u32 = 0x0010_0000 as *mut u32;
const OFF: u32 = 0x5555;

/// The serial port.
pub struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the register takes any byte, and nothing else writes to it.
            unsafe { UART.write_volatile(byte) };
        }
        Ok(())
    }
}

/// Prints what went wrong, and switches the machine off.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart, "{info}");
    switch_off()
}

/// Switches the machine off.
pub fn switch_off() -> ! {
    // SAFETY: the register switches the machine off.
    unsafe { SWITCH.write_volatile(OFF) };
    loop {
        spin_loop();
    }
}

/// The fewest and the most instructions.
#[derive(Clone, Copy)]
pub struct Range {
    /// The fewest.
    pub fewest: u64,
    /// The most.
    pub most: u64,
}

impl Range {
    /// Nothing was counted yet.
    pub const NONE: Self = Self {
        fewest: u64::MAX,
        most: 0,
    };

    /// Counts this work, too.
    pub fn count<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = minstret::read64();
        let result = work();
        let instructions = (minstret::read64() - before) / ADVANCE;
        self.fewest = self.fewest.min(instructions);
        self.most = self.most.max(instructions);
        result
    }

    /// Prints what was counted.
    pub fn print(&self, what: &str) {
        let _ = writeln!(Uart, "{what} {} {}", self.fewest, self.most);
    }
}
