//! Images of flash, most of which is blank, in few bytes: pieces with an address before each.
//!
//! ```text
//! 0        address in units of 16 bytes, 16-bit little-endian
//! 2        length of the piece, 8-bit
//! 3        the piece
//! ```

use crate::script::{Script, Writer};

const UNIT: usize = 16;
const LONGEST: usize = 240;

/// Fills `flash` with the pieces that lie within it.
pub fn unpack(mut script: Script<'_>, flash: &mut [u8]) {
    while !script.is_over() {
        let at = usize::from(script.short()) * UNIT;
        let piece = script.short_string();
        if let Some(place) = flash.get_mut(at..at + piece.len()) {
            place.copy_from_slice(piece);
        }
    }
}

/// The pieces of an image; runs of 0xFF are left out.
pub fn pack(flash: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    let blank = |unit: &[u8]| unit.iter().all(|&byte| byte == 0xFF);
    let mut at = 0;
    while at < flash.len() {
        let unit = &flash[at..flash.len().min(at + UNIT)];
        if blank(unit) {
            at += UNIT;
            continue;
        }
        let mut end = at + unit.len();
        while end < flash.len() && end - at < LONGEST {
            let next = &flash[end..flash.len().min(end + UNIT)];
            if blank(next) {
                break;
            }
            end += next.len();
        }
        out.short((at / UNIT) as u16).short_string(&flash[at..end]);
        at = end.next_multiple_of(UNIT);
    }
    out.0
}
