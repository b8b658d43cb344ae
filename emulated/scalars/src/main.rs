//! Multiplies on P-256 with scalars, points and blinds that differ, counts the instructions of each
//! kind of multiplication, and prints the fewest and the most: they must be the same.
//!
//! `cargo xtask test emulated` runs it in QEMU with `-icount shift=3`, whose counter goes on by 8 with
//! each instruction. It is a program of its own, so that nothing interrupts what is counted.
#![no_std]
#![no_main]

use core::fmt::{self, Write as _};
use core::hint::{black_box, spin_loop};
use core::panic::PanicInfo;

use riscv::register::minstret;
use secp256r1::{Blind, Coordinates, Point, Scalar, multiply, multiply_base};

const SCALARS: usize = 64;
/// By how much an instruction advances the counter.
const ADVANCE: u64 = 8;

/// The serial port and the switch of QEMU's machine `virt` (v7.2.22, hw/riscv/virt.c, `virt_memmap`).
const UART: *mut u8 = 0x1000_0000 as *mut u8;
const SWITCH: *mut u32 = 0x0010_0000 as *mut u32;
const OFF: u32 = 0x5555;

struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the register takes any byte, and nothing else writes to it.
            unsafe { UART.write_volatile(byte) };
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart, "{info}");
    switch_off()
}

fn switch_off() -> ! {
    // SAFETY: the register switches the machine off.
    unsafe { SWITCH.write_volatile(OFF) };
    loop {
        spin_loop();
    }
}

/// Bytes without end, the same each time.
struct Random(u64);

impl Random {
    fn bytes(&mut self) -> [u8; 32] {
        core::array::from_fn(|_| {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) as u8
        })
    }
}

/// The fewest and the most instructions.
struct Range {
    fewest: u64,
    most: u64,
}

impl Range {
    const NONE: Self = Self {
        fewest: u64::MAX,
        most: 0,
    };

    fn count(&mut self, work: impl FnOnce()) {
        let before = minstret::read64();
        work();
        let instructions = (minstret::read64() - before) / ADVANCE;
        self.fewest = self.fewest.min(instructions);
        self.most = self.most.max(instructions);
    }
}

#[riscv_rt::entry]
fn main() -> ! {
    let mut random = Random(1);
    let [mut base, mut any, mut read] = [Range::NONE; 3];
    let mut product = Coordinates::BASE;
    let mut done = 0;
    while done < SCALARS {
        let (bytes, blind) = (random.bytes(), Blind::new(&random.bytes()));
        let Some(scalar) = Scalar::new(&bytes) else {
            continue;
        };
        read.count(|| {
            black_box(Scalar::new(black_box(&bytes)));
        });
        let point = Point::new(&product).expect("a product is a point");
        base.count(|| multiply_base(&scalar, &blind, &mut product));
        any.count(|| multiply(&scalar, &point, &blind, &mut product));
        done += 1;
    }
    for (what, range) in [("base", base), ("any", any), ("read", read)] {
        let _ = writeln!(Uart, "{what} {} {}", range.fewest, range.most);
    }
    switch_off()
}
