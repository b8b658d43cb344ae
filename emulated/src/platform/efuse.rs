//! A stand-in for a chip's eFuses and the HMAC that computes with them: software, and a key in the board's
//! options, a line `efuse`, the number of the block, and 64 hexadecimal digits, with tabs between them.

use seal::{Block, Chip, Key, Mac, Message};
use zeroize::Zeroizing;

use crate::board::options;

/// What is burned.
pub(super) struct Efuse(Option<Key>);

impl Efuse {
    /// As whoever started QEMU had it burned.
    pub(super) fn burned() -> Self {
        let text = options::text().map(Zeroizing::new).unwrap_or_default();
        Self(text.lines().find_map(key))
    }
}

fn key(line: &str) -> Option<Key> {
    let (block, digits) = line.strip_prefix("efuse\t")?.split_once('\t')?;
    let block = Block::new(block.parse().ok()?)?;
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Key::new(block, bytes))
}

impl Chip for Efuse {
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac> {
        self.0.as_ref()?.hmac(block, message)
    }
}
