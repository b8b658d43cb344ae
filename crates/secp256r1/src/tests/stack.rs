//! Nothing of a secret stays on the stack.

#![allow(unsafe_code)]

use alloc::{vec, vec::Vec};

use super::*;

const SIZE: usize = 64 * 1024;
/// What the frames of the test itself, and of the functions that it calls, take: they hold no secrets.
const OWN: usize = 512;
const NEVER_USED: u8 = 0xa5;

/// Runs it on a stack of its own; returns that as it was left, its top last.
fn stack_after(act: impl FnOnce()) -> Vec<u8> {
    let mut memory = vec![NEVER_USED; SIZE + 64];
    let start = memory.as_mut_ptr();
    let offset = start.align_offset(64);
    // SAFETY: the memory is writable, aligned to 64 bytes, and lives longer than the call; `act` does not unwind.
    unsafe {
        psm::on_stack(start.add(offset), SIZE, act);
    }
    memory.drain(..offset);
    memory.truncate(SIZE);
    memory
}

/// The deepest byte that was used, from the top.
fn depth(stack: &[u8]) -> usize {
    SIZE - stack.iter().position(|&byte| byte != NEVER_USED).unwrap()
}

/// The words that are left below what is the test's own, by how far from the top they are, as far
/// as a multiplication came.
fn left(stack: &[u8], depth: usize) -> Vec<(usize, u32)> {
    let (words, _) = stack[..SIZE - OWN].as_chunks();
    let words = words.iter().map(|word| u32::from_ne_bytes(*word));
    words
        .enumerate()
        .map(|(i, word)| (SIZE - 4 * i, word))
        .filter(|(from_top, _)| *from_top <= depth)
        .filter(|(_, word)| ![0, u32::from_ne_bytes([NEVER_USED; 4])].contains(word))
        .collect()
}

fn products(any: bool, whole: bool) -> Vec<u8> {
    let scalar = Scalar::new(&[0x37; 32]).unwrap();
    let blind = Blind::new(&[0x11; 32]);
    let point = Point::new(&Coordinates::BASE).unwrap();
    let mut product = Coordinates::BASE;
    stack_after(|| match (any, whole) {
        (true, true) => multiply(&scalar, &point, &blind, &mut product),
        (false, true) => multiply_base(&scalar, &blind, &mut product),
        (true, false) => product::multiply(&scalar.0, &point.0, &blind.0, &mut product),
        (false, false) => {
            let _ = product::multiply_base(&scalar.0, &blind.0, &mut product);
        }
    })
}

#[test]
fn a_multiplication_leaves_nothing() {
    for any in [true, false] {
        // Without wiping there is something, and no more of it than is wiped.
        let stack = products(any, false);
        let depth = depth(&stack);
        assert!(left(&stack, depth).len() > 50);
        assert!(depth < STACK, "{depth}");
        assert_eq!(left(&products(any, true), depth), [], "any: {any}");
    }
}
