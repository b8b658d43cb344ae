//! How deep the stack was: it is painted at the start, and what lost its colour was used.

use super::uart::println;

const COLOUR: u32 = 0x5ac3_c35a;
/// Bytes at the deep end that must keep their colour. Below lies the heap, which a deeper stack
/// would spoil unseen.
const MARGIN: usize = 256;

unsafe extern "C" {
    /// The deep end, from riscv-rt's linker script.
    static mut __estack: u32;
    /// The shallow end.
    static _stack_start: u32;
}

fn range() -> (*mut u32, usize) {
    let deep = &raw mut __estack;
    let bytes = (&raw const _stack_start).addr() - deep.addr();
    (deep, bytes)
}

/// Paints what is not in use yet.
#[inline(never)]
pub(super) fn paint() {
    let here = 0u32;
    let (deep, _) = range();
    // A few frames' worth stays as it is, for this function itself.
    let words = ((&raw const here).addr() - deep.addr()) / 4 - 64;
    for word in 0..words {
        // SAFETY: between the deep end and the frames in use nothing lives.
        unsafe { deep.add(word).write_volatile(COLOUR) };
    }
}

/// Bytes of stack, and how many of them were ever used.
pub(crate) fn size_and_depth() -> (usize, usize) {
    let (deep, bytes) = range();
    // SAFETY: the range is the stack's; words that are in use are only looked at.
    let unused = (0..bytes / 4)
        .take_while(|&word| unsafe { deep.add(word).read_volatile() } == COLOUR)
        .count();
    (bytes, bytes - unused * 4)
}

/// Ends the run if the stack was used to its end.
pub(crate) fn check() {
    let (deep, _) = range();
    // SAFETY: as above.
    let painted = |word: usize| unsafe { deep.add(word).read_volatile() } == COLOUR;
    if !(0..MARGIN / 4).all(painted) {
        println!("panic: the stack is too small");
        super::power::switch_off(103);
    }
}
