//! The peripheral in software.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Block, Chip, Mac, Message};

/// A key as it is burned into a block of eFuses, and the block. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key {
    #[zeroize(skip)]
    block: Block,
    bytes: [u8; 32],
}

impl Key {
    /// The key with these bytes, in the order in which a chip's first register has the first four.
    #[must_use]
    pub fn new(block: Block, bytes: [u8; 32]) -> Self {
        Self { block, bytes }
    }

    /// A new one.
    #[must_use]
    pub fn random<R: CryptoRng + ?Sized>(block: Block, random: &mut R) -> Self {
        let mut key = Self::new(block, [0; 32]);
        random.fill_bytes(&mut key.bytes);
        key
    }

    /// Its block.
    #[must_use]
    pub fn block(&self) -> Block {
        self.block
    }

    /// Its bytes, to be burned.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// As a chip that has this key alone.
impl Chip for Key {
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac> {
        if block != self.block {
            return None;
        }
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.bytes).ok()?;
        hmac.update(message);
        Some(Mac(hmac.finalize().into_bytes().into()))
    }
}
