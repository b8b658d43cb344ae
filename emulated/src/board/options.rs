//! What whoever starts QEMU wants of the board: texts by name, `-fw_cfg name=...,string=...`
//! (docs/specs/fw_cfg.rst of QEMU v7.2.22).

use alloc::{string::String, vec::Vec};

use super::Register;

const FW_CFG: usize = 0x1010_0000;
// SAFETY: registers from which QEMU's options are read.
const DATA: Register<u8> = unsafe { Register::at(FW_CFG) };
// SAFETY: as above.
const SELECT: Register<u16> = unsafe { Register::at(FW_CFG + 8) };

/// The list of all items.
const DIRECTORY: u16 = 0x19;
/// No option is longer than this.
const LONGEST: usize = 4096;

/// The text of this name, if it was given.
pub(crate) fn text(name: &str) -> Option<String> {
    let (selector, length) = find(name)?;
    select(selector);
    let bytes: Vec<u8> = (0..length.min(LONGEST)).map(|_| DATA.read()).collect();
    String::from_utf8(bytes).ok()
}

fn find(wanted: &str) -> Option<(u16, usize)> {
    select(DIRECTORY);
    let items = u32::from_be_bytes(read());
    for _ in 0..items {
        let length = u32::from_be_bytes(read());
        let selector = u16::from_be_bytes(read());
        let _reserved: [u8; 2] = read();
        let name: [u8; 56] = read();
        let end = name
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(name.len());
        if name[..end] == *wanted.as_bytes() {
            return Some((selector, length as usize));
        }
    }
    None
}

fn select(item: u16) {
    SELECT.write(item.to_be());
}

fn read<const N: usize>() -> [u8; N] {
    core::array::from_fn(|_| DATA.read())
}
