//! The eFuses of a board and their controller, as its boot ROM lets them be reached: registers.
//!
//! Of the chip of the default firmware. Source: espefuse/efuse/esp32c3/mem_definition.py and fields.py, for the
//! Reed-Solomon code reedsolo's defaults, which fields.py takes (espressif/esptool, bb72741).

use std::ops::Range;

const BASE: u32 = 0x6000_8800;
/// All registers of the controller.
pub(crate) const REGISTERS: Range<u32> = BASE..BASE + 0x200;

/// What is to be burned: 8 words, and 3 of the code.
const DATA: Range<u32> = BASE..BASE + 0x2C;
const CONF: u32 = BASE + 0x1CC;
const CMD: u32 = BASE + 0x1D4;
const WRITE_CODE: u32 = 0x5A5A;
const READ_CODE: u32 = 0x5AA5;
/// Where the blocks are read, and how many words each has.
const BLOCKS: [(u32, usize); 11] = [
    (0x2C, 6),
    (0x44, 6),
    (0x5C, 8),
    (0x7C, 8),
    (0x9C, 8),
    (0xBC, 8),
    (0xDC, 8),
    (0xFC, 8),
    (0x11C, 8),
    (0x13C, 8),
    (0x15C, 8),
];
/// The first block for keys, of six.
const FIRST_KEY: usize = 4;

/// All eFuses of a board.
#[derive(Default)]
pub struct Efuses {
    /// The blocks, as they are burned, also where they cannot be read.
    pub blocks: [[u32; 8]; 11],
    /// In which order blocks were burned.
    pub burned: Vec<usize>,
    /// After so many burnings no more succeed: nothing happens then.
    pub most: Option<usize>,
    data: [u32; 11],
    conf: u32,
}

impl Efuses {
    /// The keys for the HMAC that nobody can read, with the numbers of their blocks, 0 to 5.
    pub fn hmac_keys(&self) -> Vec<(usize, Vec<u8>)> {
        let sealing =
            (0..6).filter(|&key| self.purpose(key) == 8 && !self.is_readable(FIRST_KEY + key));
        sealing.map(|key| (key, self.bytes(key))).collect()
    }

    /// What is burned into a block for a key.
    pub fn bytes(&self, key: usize) -> Vec<u8> {
        let words = self.blocks[FIRST_KEY + key].map(u32::to_le_bytes);
        words.concat()
    }

    /// What a key is for.
    pub fn purpose(&self, key: usize) -> u32 {
        let bit = 88 + 4 * key;
        self.blocks[0][bit / 32] >> (bit % 32) & 0xF
    }

    /// Whether a block can be read.
    pub fn is_readable(&self, block: usize) -> bool {
        block < FIRST_KEY || self.blocks[0][1] >> (block - FIRST_KEY) & 1 == 0
    }

    /// Whether a block can be written.
    pub fn is_writable(&self, block: usize) -> bool {
        block == 0 || self.blocks[0][0] >> (19 + block) & 1 == 0
    }

    pub(crate) fn read(&self, address: u32) -> u32 {
        let block = BLOCKS
            .iter()
            .enumerate()
            .find_map(|(block, &(start, words))| {
                let word = (address - BASE).checked_sub(start)? as usize / 4;
                (word < words).then_some((block, word))
            });
        match block {
            Some((block, word)) if self.is_readable(block) => self.blocks[block][word],
            // Nor is the controller busy, nor has anything failed.
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, address: u32, value: u32) {
        match address {
            CONF => self.conf = value,
            CMD if value & 2 != 0 && self.conf == WRITE_CODE => {
                self.burn(value as usize >> 2 & 0xF)
            }
            CMD => assert!(value & 2 == 0 && self.conf == READ_CODE, "no command"),
            address if DATA.contains(&address) => {
                self.data[(address - BASE) as usize / 4] = value;
            }
            // How long it burns.
            _ => {}
        }
    }

    fn burn(&mut self, block: usize) {
        if self.most.is_some_and(|most| self.burned.len() >= most) {
            return;
        }
        self.burned.push(block);
        let words = BLOCKS[block].1;
        if block != 0 {
            let bytes = self.data.map(u32::to_le_bytes).concat();
            assert!(is_codeword(&bytes), "the code is not that of the data");
            assert!(
                self.blocks[block][..words].iter().all(|&word| word == 0),
                "block {block} is in use"
            );
        }
        assert!(self.is_writable(block), "block {block} is write-protected");
        for (burned, word) in self.blocks[block][..words].iter_mut().zip(self.data) {
            *burned |= word;
        }
    }
}

/// Whether 44 bytes are one of Reed and Solomon's over GF(2^8) by 0x11D with 12 roots from 2^0 on: its polynomial
/// is zero at each.
fn is_codeword(bytes: &[u8]) -> bool {
    (0..12).all(|power| {
        let root = (0..power).fold(1, |root, _| times(root, 2));
        bytes.iter().fold(0, |sum, byte| times(sum, root) ^ byte) == 0
    })
}

/// The product of two elements of the field.
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= 0x1D;
        }
        b >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's reedsolo 1.7.0: `RSCodec(12).encode(bytes(range(32)))`.
    #[test]
    fn the_code_is_that_of_espressifs_tool() {
        let mut bytes: Vec<u8> = (0..32).collect();
        bytes.extend(b"\xA0\x4C\x47\x0D\x3F\xFC\xB2\x03\xDA\xE9\xF4\x13");
        assert!(is_codeword(&bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!is_codeword(&changed));
        }
    }
}
