#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod key;

use alloc::vec::Vec;
use core::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use key::Key;

/// How a sealed file begins: no text, and not the same after a transfer that took it for one.
pub const MAGIC: [u8; 8] = [0x89, b'S', b'E', b'A', b'L', b'\r', b'\n', 0x1A];

/// The form that is written and read.
pub const VERSION: u8 = 1;

/// The form's name. A program that opens sealed files has it in its text: by this it is known, unstarted.
pub const FORM: &str = "esptb-seal/1";

/// What the peripheral is asked for begins with this.
const LABEL: [u8; 16] = *b"esptb seal key 1";

const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Where the contents begin.
const HEAD: usize = MAGIC.len() + 4 + SALT + NONCE;

/// What sealing adds, in bytes.
pub const OVERHEAD: usize = HEAD + TAG;

/// The most that can be sealed, in bytes.
pub const MOST: usize = u16::MAX as usize;

/// What the peripheral computes the HMAC of: label and salt. One block of SHA-256, whoever computes it.
pub type Message = [u8; LABEL.len() + SALT];

/// One of the chip's blocks of eFuses for keys, which have the numbers 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block(u8);

impl Block {
    /// All of them.
    pub const ALL: [Self; 6] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The one with this number, 0 to 5.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// As Espressif's tools name it.
impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BLOCK_KEY{}", self.0)
    }
}

/// An HMAC of the peripheral's. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Mac(pub [u8; 32]);

/// A chip that computes HMAC-SHA-256 with keys which it does not give away.
pub trait Chip {
    /// The HMAC of a message, with the key in a block. None if that block has no key for this purpose.
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac>;
}

/// Why something is not opened, or not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no sealed file.
    NotSealed,
    /// It is one of a form that is not known here.
    Version(u8),
    /// It has another length than it says, or names no block.
    Damaged,
    /// The chip has no key for this purpose in the block that it names.
    NoKey(Block),
    /// The chip's key is another one, or it was changed.
    Another,
    /// More than [`MOST`] bytes were to be sealed.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("not sealed"),
            Self::Version(version) => write!(f, "of form {version}, where {FORM} is known"),
            Self::Damaged => f.write_str("damaged"),
            Self::NoKey(block) => write!(f, "the chip has no key in {block}"),
            Self::Another => f.write_str("sealed with another key"),
            Self::TooLarge => write!(f, "more than {MOST} bytes"),
        }
    }
}

impl core::error::Error for Fault {}

/// Whether a file says that it is sealed.
#[must_use]
pub fn is_sealed(file: &[u8]) -> bool {
    file.starts_with(&MAGIC)
}

/// A sealed file, of the right form; whether it can be opened is shown by [`Sealed::open`].
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    block: Block,
    head: &'a [u8; HEAD],
    contents: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Sealed<'a> {
    /// Reads a whole file. Takes any bytes.
    ///
    /// # Errors
    ///
    /// [`Fault::NotSealed`], [`Fault::Version`], [`Fault::Damaged`].
    pub fn parse(file: &'a [u8]) -> Result<Self, Fault> {
        let (sealed, rest) = Self::first(file)?;
        match rest.is_empty() {
            true => Ok(sealed),
            false => Err(Fault::Damaged),
        }
    }

    /// Reads what is sealed at the beginning of some bytes; and what follows it.
    ///
    /// # Errors
    ///
    /// As [`Sealed::parse`].
    pub fn first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Fault> {
        if !is_sealed(bytes) {
            return Err(Fault::NotSealed);
        }
        match bytes.get(MAGIC.len()) {
            Some(&VERSION) => {}
            Some(&version) => return Err(Fault::Version(version)),
            None => return Err(Fault::Damaged),
        }
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(Fault::Damaged)?;
        let block = Block::new(head[9]).ok_or(Fault::Damaged)?;
        let length = u16::from_le_bytes([head[10], head[11]]);
        let contents = rest.split_at_checked(length.into());
        let (contents, rest) = contents.ok_or(Fault::Damaged)?;
        let (tag, rest) = rest.split_first_chunk::<TAG>().ok_or(Fault::Damaged)?;
        let sealed = Self {
            block,
            head,
            contents,
            tag,
        };
        Ok((sealed, rest))
    }

    /// The block whose key it was sealed with.
    #[must_use]
    pub fn block(&self) -> Block {
        self.block
    }

    /// What is in it. Wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`Fault::NoKey`]; [`Fault::Another`], which is also said of what was changed: the two cannot be told apart.
    pub fn open(&self, chip: &(impl Chip + ?Sized)) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let cipher = cipher(chip, self.block, self.head)?;
        let mut contents = Zeroizing::new(self.contents.to_vec());
        cipher
            .decrypt_inout_detached(
                &nonce(self.head).into(),
                self.head,
                contents.as_mut_slice().into(),
                &(*self.tag).into(),
            )
            .map_err(|_| Fault::Another)?;
        Ok(contents)
    }
}

/// Seals contents for a chip that has a key in this block.
///
/// # Errors
///
/// [`Fault::NoKey`]; [`Fault::TooLarge`].
pub fn seal<R: CryptoRng + ?Sized>(
    contents: &[u8],
    block: Block,
    chip: &(impl Chip + ?Sized),
    random: &mut R,
) -> Result<Vec<u8>, Fault> {
    let mut chance = [0; SALT + NONCE];
    random.fill_bytes(&mut chance);
    seal_with(contents, block, chip, chance)
}

/// As [`seal`], with what is random in it: salt, then nonce.
fn seal_with(
    contents: &[u8],
    block: Block,
    chip: &(impl Chip + ?Sized),
    chance: [u8; SALT + NONCE],
) -> Result<Vec<u8>, Fault> {
    let length = u16::try_from(contents.len()).map_err(|_| Fault::TooLarge)?;
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..10].copy_from_slice(&[VERSION, block.0]);
    head[10..12].copy_from_slice(&length.to_le_bytes());
    head[12..].copy_from_slice(&chance);
    let cipher = cipher(chip, block, &head)?;
    // At its full size from the start: a vector that grows leaves copies behind.
    let mut file = Vec::with_capacity(contents.len() + OVERHEAD);
    file.extend_from_slice(&head);
    file.extend_from_slice(contents);
    let tag = cipher.encrypt_inout_detached(
        &nonce(&head).into(),
        &head,
        file.get_mut(HEAD..).unwrap_or_default().into(),
    );
    // Fails for contents of 64 GiB and more only.
    file.extend_from_slice(&tag.map_err(|_| Fault::TooLarge)?);
    Ok(file)
}

/// The cipher that a chip's key and the salt of a file make.
fn cipher(
    chip: &(impl Chip + ?Sized),
    block: Block,
    head: &[u8; HEAD],
) -> Result<Aes256Gcm, Fault> {
    let mut message = [0; LABEL.len() + SALT];
    message[..LABEL.len()].copy_from_slice(&LABEL);
    message[LABEL.len()..].copy_from_slice(&head[12..12 + SALT]);
    let mac = chip.hmac(block, &message).ok_or(Fault::NoKey(block))?;
    Ok(Aes256Gcm::new((&mac.0).into()))
}

fn nonce(head: &[u8; HEAD]) -> [u8; NONCE] {
    head.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
