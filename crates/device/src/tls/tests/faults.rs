//! Faults on purpose, each of a kind that nothing but a sanitizer or Valgrind sees: whoever runs the
//! tests under one of them has these done, too, and must see the program end (`cargo xtask test memory
//! sanitizers`). A check that does not find them would find nothing.
//!
//! They are undefined behaviour, so nobody does one unasked.

#![allow(unsafe_code)]

extern crate std;

use alloc::vec;
use core::hint::black_box;

use mbedtls_rs_sys as sys;

/// A length of DER that takes two bytes more.
const LONG: u8 = 0x82;

/// Does the fault that the environment asks for, and none if it asks for none.
#[test]
fn one_on_purpose() {
    match std::env::var("ESPTB_FAULT").as_deref() {
        Err(_) => {}
        Ok("c-reads-beyond-a-buffer") => c_reads_beyond_a_buffer(),
        Ok("rust-reads-beyond-a-buffer") => rust_reads_beyond_a_buffer(),
        Ok("c-does-what-is-undefined") => c_does_what_is_undefined(),
        Ok(other) => panic!("there is no fault {other:?}"),
    }
}

/// C is told that there is more than there is.
fn c_reads_beyond_a_buffer() {
    let mut short = black_box(vec![LONG, 0]);
    let mut at = short.as_mut_ptr();
    let mut length = 0;
    // SAFETY: none. There are two bytes, not ten.
    let code = unsafe { sys::mbedtls_asn1_get_len(&raw mut at, at.add(10), &raw mut length) };
    black_box((code, length));
}

fn rust_reads_beyond_a_buffer() {
    let short = black_box(vec![0_u8; 10]);
    // SAFETY: none.
    black_box(unsafe { short.as_ptr().add(black_box(10)).read() });
}

/// Nothing beyond the memory, but a number at an odd address.
fn c_does_what_is_undefined() {
    let mut sound = vec![1_u8; 10];
    let mut at = sound.as_mut_ptr();
    let mut memory = vec![0_usize; 2];
    // SAFETY: none. There is room for the number, which does not begin where numbers begin.
    let code = unsafe {
        let odd = memory.as_mut_ptr().byte_add(1);
        sys::mbedtls_asn1_get_len(&raw mut at, at.add(10), odd)
    };
    black_box((code, memory));
}
