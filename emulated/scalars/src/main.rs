//! Multiplies on P-256 with scalars, points and blinds that differ, counts the instructions of each
//! kind of multiplication, and prints the fewest and the most: they must be the same.
//!
//! `cargo xtask test emulated` runs it in QEMU with `-icount shift=3`, whose counter goes on by 8 with
//! each instruction. It is a program of its own, so that nothing interrupts what is counted.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use scalars::{Range, panicked, switch_off};
use secp256r1::{Blind, Coordinates, Point, Scalar, multiply, multiply_base};

const SCALARS: usize = 64;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    panicked(info)
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
        range.print(what);
    }
    switch_off()
}
