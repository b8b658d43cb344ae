//! The C library, as far as MbedTLS calls it and the compiler does not bring it along.

use core::{
    alloc::{GlobalAlloc, Layout},
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
};

use super::heap::HEAP;

/// Bytes before each block that C asked for, in which its length is kept.
const HEADER: usize = 8;

fn layout(length: usize) -> Option<Layout> {
    Layout::from_size_align(length.checked_add(HEADER)?, HEADER).ok()
}

/// C's `calloc`, for MbedTLS.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(length) = count.checked_mul(size) else {
        return ptr::null_mut();
    };
    let Some(layout) = layout(length) else {
        return ptr::null_mut();
    };
    // SAFETY: the layout has a size.
    let block = unsafe { HEAP.alloc(layout) };
    if block.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the block is as long as the layout says, and ours.
    unsafe {
        block.cast::<usize>().write(length);
        let memory = block.add(HEADER);
        memory.write_bytes(0, length);
        memory.cast()
    }
}

/// C's `free`, for MbedTLS.
///
/// # Safety
///
/// `memory` must be null or from [`calloc`], and not freed before.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: by contract there is a block with its length before the memory.
    unsafe {
        let block = memory.cast::<u8>().sub(HEADER);
        let length = block.cast::<usize>().read();
        if let Some(layout) = layout(length) {
            HEAP.dealloc(block, layout);
        }
    }
}

/// C's `strcmp`.
///
/// # Safety
///
/// Both must be strings that end with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcmp(left: *const c_char, right: *const c_char) -> c_int {
    // SAFETY: the same contract.
    let (left, right) = unsafe { (CStr::from_ptr(left), CStr::from_ptr(right)) };
    left.cmp(right) as c_int
}

/// C's `strchr`.
///
/// # Safety
///
/// It must be a string that ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn strchr(text: *const c_char, wanted: c_int) -> *const c_char {
    // SAFETY: the same contract.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes_with_nul();
    // C wants the value as a byte.
    match bytes.iter().position(|&byte| byte == wanted as u8) {
        // SAFETY: inside of the string.
        Some(place) => unsafe { text.add(place) },
        None => ptr::null(),
    }
}

/// C's `strstr`.
///
/// # Safety
///
/// Both must be strings that end with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn strstr(text: *const c_char, wanted: *const c_char) -> *const c_char {
    // SAFETY: the same contract.
    let (bytes, wanted) = unsafe { (CStr::from_ptr(text), CStr::from_ptr(wanted)) };
    let (bytes, wanted) = (bytes.to_bytes(), wanted.to_bytes());
    match (0..=bytes.len()).find(|&place| bytes[place..].starts_with(wanted)) {
        // SAFETY: inside of the string.
        Some(place) => unsafe { text.add(place) },
        None => ptr::null(),
    }
}
