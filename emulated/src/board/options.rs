//! What whoever starts QEMU wants of the board: a text that QEMU's loader lays into memory,
//! `-device loader,force-raw=on,addr=0x80900000,file=...`. Its lines are access points (`platform/wifi.rs`), and what
//! is burned into the eFuses (`platform/efuse.rs`).

use alloc::{string::String, vec::Vec};

use super::Register;

/// Where the text lies; behind all that the program uses, and zero where there is none.
const TEXT: usize = 0x8090_0000;
/// No text is longer than this.
const LONGEST: usize = 4096;

/// The text, if there is one.
pub(crate) fn text() -> Option<String> {
    // SAFETY: memory that is in no region of memory.x.
    let byte = |place| unsafe { Register::<u8>::at(TEXT + place) }.read();
    let bytes: Vec<u8> = (0..LONGEST)
        .map(byte)
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}
