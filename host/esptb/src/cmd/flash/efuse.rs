//! The chip's blocks of eFuses for keys: what is in them, and a key for its HMAC burned into one.
//!
//! What is burned stays burned. So a block is looked at before, written while it can be read, compared, and only
//! then given its purpose and protected: wherever this ends early, it is seen what there is, and gone on with.
//!
//! Where things are: espefuse/efuse_defs/*.yaml and espefuse/efuse/*/mem_definition.py of ESP32-C3, C6 and S3
//! (espressif/esptool, bb72741), which are alike in this; the order of burning as its base_fields.py has it. The
//! controller itself, with its Reed-Solomon code, is espflash's.

use anyhow::{Context, Result, bail};
use seal::{Block, Key};
use zeroize::Zeroizing;

use super::board::{Connected, told};

/// The chips whose HMAC esp-hal drives, by Espressif's numbers: ESP32-C3, ESP32-S3, ESP32-C6.
const CHIPS: [u16; 3] = [5, 9, 13];

/// The purpose of a key that the program on the chip has messages authenticated with (`HMAC_UP`).
const HMAC_UP: u8 = 8;

/// The block of eFuses with purposes and protections, and how many words it has here.
const CONTROL: u32 = 0;
const CONTROL_WORDS: usize = 4;
/// The first block for keys.
const FIRST: u32 = 4;
/// In word 0 of `CONTROL`, what cannot be written any more: the protection from reading, the purpose of the first
/// key, the first key.
const WRITE_PROTECTED: [u32; 3] = [0, 8, 23];
/// The word of `CONTROL` with what cannot be read any more, a bit for each key.
const READ_PROTECTED: usize = 1;
/// Where the purposes begin, in bits from the beginning of `CONTROL`, and how many bits each has.
const PURPOSES: (u32, u32) = (88, 4);

/// Whether there is an HMAC in this chip, by Espressif's number, for which keys are sealed.
pub(crate) fn has_hmac(chip: u16) -> bool {
    CHIPS.contains(&chip)
}

/// A block for a key, as it is.
pub(crate) struct KeyBlock {
    pub(crate) block: Block,
    purpose: u8,
    is_readable: bool,
    is_writable: bool,
    /// Zeros where it cannot be read.
    bytes: Zeroizing<[u8; 32]>,
}

impl KeyBlock {
    /// Whether nothing is in it, and all can be done with it that a key needs.
    pub(crate) fn is_free(&self) -> bool {
        let is_empty = self.bytes.iter().all(|&byte| byte == 0);
        self.purpose == 0 && self.is_readable && self.is_writable && is_empty
    }

    /// Whether it has a key for the HMAC that nobody reads.
    pub(crate) fn is_sealing(&self) -> bool {
        self.purpose == HMAC_UP && !self.is_readable
    }

    /// What is in it, if it can be read and is something: a key that was burned and not protected yet, or what others
    /// put there.
    pub(crate) fn unprotected(&self) -> Option<Key> {
        let is_key = self.is_readable && [0, HMAC_UP].contains(&self.purpose);
        let something = self.bytes.iter().any(|&byte| byte != 0);
        (is_key && something).then(|| Key::new(self.block, *self.bytes))
    }
}

impl Connected {
    /// All blocks for keys.
    pub(crate) fn key_blocks(&mut self) -> Result<Vec<KeyBlock>> {
        let control = self.control()?;
        let blocks = Block::ALL.into_iter();
        blocks.map(|block| self.look_at(block, &control)).collect()
    }

    /// One of them.
    fn key_block(&mut self, block: Block) -> Result<KeyBlock> {
        let control = self.control()?;
        self.look_at(block, &control)
    }

    fn control(&mut self) -> Result<[u32; CONTROL_WORDS]> {
        let mut control = [0; CONTROL_WORDS];
        for (word, value) in (0..).zip(&mut control) {
            *value = self.efuse(CONTROL, word)?;
        }
        Ok(control)
    }

    fn look_at(&mut self, block: Block, control: &[u32; CONTROL_WORDS]) -> Result<KeyBlock> {
        let number = u32::from(block.number());
        let is_protected = |bit: u32| control[0] >> bit & 1 == 1;
        let [reading, purpose, key] = WRITE_PROTECTED;
        let mut bytes = Zeroizing::new([0; 32]);
        for (word, chunk) in (0..).zip(bytes.chunks_mut(4)) {
            chunk.copy_from_slice(&self.efuse(FIRST + number, word)?.to_le_bytes());
        }
        let (word, bit) = place(block);
        Ok(KeyBlock {
            block,
            purpose: (control[word] >> bit & 0xF) as u8,
            is_readable: control[READ_PROTECTED] >> number & 1 == 0,
            is_writable: ![reading, purpose + number, key + number]
                .into_iter()
                .any(is_protected),
            bytes,
        })
    }

    /// Burns a key into a block that is free. It cannot be undone.
    pub(crate) fn burn_key(&mut self, key: &Key) -> Result<()> {
        let block = key.block();
        self.burn(FIRST + u32::from(block.number()), key.expose())
            .with_context(|| format!("{block} could not be burned: try again"))?;
        // espflash 4.7.0 compares, and returns all the same.
        if *self.key_block(block)?.bytes != *key.expose() {
            bail!(
                "{block} does not read back as it was burned: try again, another block will be taken"
            );
        }
        Ok(())
    }

    /// Gives a block with a key its purpose, and protects it: from now on nobody reads it, and nobody changes it.
    /// It cannot be undone.
    pub(crate) fn protect_key(&mut self, block: Block) -> Result<()> {
        let [purpose, protection] = control_of(block);
        self.burn_control(purpose)?;
        if self.key_block(block)?.purpose != HMAC_UP {
            bail!("{block} did not get its purpose: try again");
        }
        self.burn_control(protection)?;
        if !self.key_block(block)?.is_sealing() {
            bail!("{block} is not protected: try again");
        }
        Ok(())
    }

    fn burn_control(&mut self, control: [u32; CONTROL_WORDS]) -> Result<()> {
        let bytes = control.map(u32::to_le_bytes);
        self.burn(CONTROL, bytes.as_flattened())
            .context("purpose or protection of a key was not burned: try again")
    }

    fn burn(&mut self, block: u32, bytes: &[u8]) -> Result<()> {
        let chip = self.flasher.chip();
        chip.write_efuse(self.flasher.connection(), block, bytes)
            .map_err(told)
    }

    fn efuse(&mut self, block: u32, word: u32) -> Result<u32> {
        let chip = self.flasher.chip();
        chip.read_efuse_raw(self.flasher.connection(), block, word)
            .map_err(told)
            .context("the eFuses cannot be read")
    }
}

/// The word of `CONTROL` with the purpose of a key, and the bit in it at which it begins.
fn place(block: Block) -> (usize, u32) {
    let (first, bits) = PURPOSES;
    let bit = first + bits * u32::from(block.number());
    ((bit / 32) as usize, bit % 32)
}

/// What is burned into `CONTROL` for a block with a key: its purpose, and then its protections.
fn control_of(block: Block) -> [[u32; CONTROL_WORDS]; 2] {
    let number = u32::from(block.number());
    let (mut given, mut protected) = ([0; CONTROL_WORDS], [0; CONTROL_WORDS]);
    let (word, bit) = place(block);
    given[word] = u32::from(HMAC_UP) << bit;
    let [_, purpose, key] = WRITE_PROTECTED;
    protected[0] = 1 << (purpose + number) | 1 << (key + number);
    protected[READ_PROTECTED] = 1 << number;
    [given, protected]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dumped by Espressif's espefuse 5.6.0 after `burn-key BLOCK_KEYn FILE HMAC_UP` in a chip of its own (`--virt`):
    /// the same for ESP32-C3, C6 and S3.
    #[test]
    fn a_block_is_given_what_espressifs_tool_gives_it() {
        for (number, dumped) in [
            (0, [0x0080_0100, 0x0000_0001, 0x0800_0000, 0x0000_0000]),
            (1, [0x0100_0200, 0x0000_0002, 0x8000_0000, 0x0000_0000]),
            (5, [0x1000_2000, 0x0000_0020, 0x0000_0000, 0x0000_8000]),
        ] {
            let [given, protected] = control_of(Block::new(number).expect("a block"));
            let burned = std::array::from_fn(|word| given[word] | protected[word]);
            assert_eq!(burned, dumped, "{number}");
        }
    }
}
