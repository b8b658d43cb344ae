//! A NOR flash in a file: it enforces the rules of the chip and loses power on command.
//!
//! Erasing sets whole 4 KiB sectors to ones; writing only clears bits, in words of four bytes. A
//! write that would have to set a bit is refused, as it would be silently wrong on a chip. When
//! the power goes, all later operations fail; the one under way is left undone, or, as it happens
//! to a chip, half done: a word of which some bits have fallen, a sector of which some have risen.

use std::cell::RefCell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Bytes that are erased together.
pub const SECTOR: usize = 4096;

/// Bytes that are written together.
pub const WORD: usize = 4;

/// Why an operation on the flash failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// Beyond the end.
    #[error("beyond the end of the flash")]
    OutOfBounds,
    /// Not on a word, or for erasing not on a sector.
    #[error("not aligned")]
    NotAligned,
    /// The write would have to set bits, which only erasing can.
    #[error("written without erasing first")]
    NotErased,
    /// The power is gone.
    #[error("the power is gone")]
    PowerLost,
    /// The file behind the flash cannot be written.
    #[error("the flash file cannot be written")]
    File,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            _ => NorFlashErrorKind::Other,
        }
    }
}

/// Why a flash file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system says no.
    #[error("cannot open the flash file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file's length is no flash size.
    #[error(
        "{path} has {length} bytes, which is no flash: give a whole image, a multiple of 4096 \
         bytes, as `esptb image` makes it"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// Another program has the file as its device's flash.
    #[error(
        "{0} is the flash of a device that runs already: end that one first, or give this device a \
         file of its own"
    )]
    InUse(PathBuf),
}

/// When the power goes.
struct PowerCut {
    /// Words that can still be written and sectors erased before.
    operations_left: u64,
    /// How the operation after these is left half done; none if it is not begun.
    amid: Option<u64>,
}

/// What has become of a word that should have become `wanted`: of the bits that differ, those in
/// `done` have changed.
fn torn(present: [u8; WORD], wanted: [u8; WORD], done: u32) -> [u8; WORD] {
    let (present, wanted) = (u32::from_le_bytes(present), u32::from_le_bytes(wanted));
    (present ^ ((present ^ wanted) & done)).to_le_bytes()
}

/// Random bits of which 1 in 2^`rarity` is set, for a word of the flash (SplitMix64).
fn some_bits(seed: u64, word: usize, rarity: u32) -> u32 {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (word as u64) << 8;
    let mut bits = u32::MAX;
    for _ in 0..rarity {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits &= (z ^ (z >> 31)) as u32;
    }
    bits
}

struct Chip {
    bytes: Vec<u8>,
    file: Option<File>,
    cut: Option<PowerCut>,
    operations: u64,
}

/// The flash. Clones are the same chip, as it survives its device.
#[derive(Clone)]
pub struct Flash(Rc<RefCell<Chip>>);

impl Flash {
    /// A flash in memory with these contents.
    ///
    /// # Panics
    ///
    /// If the length is not a multiple of [`SECTOR`].
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        assert!(
            bytes.len().is_multiple_of(SECTOR) && !bytes.is_empty(),
            "a flash has whole sectors"
        );
        Self(Rc::new(RefCell::new(Chip {
            bytes,
            file: None,
            cut: None,
            operations: 0,
        })))
    }

    /// A flash in a file; what is written goes to the file at once. The file is locked for as long
    /// as the flash lives.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        hostfile::check(path).map_err(io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(io)?;
        // A file system without locks has none to offer.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(OpenError::InUse(path.to_owned()));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(SECTOR) {
            return Err(OpenError::Length {
                path: path.to_owned(),
                length: bytes.len(),
            });
        }
        let flash = Self::from_bytes(bytes);
        flash.0.borrow_mut().file = Some(file);
        Ok(flash)
    }

    /// What the flash holds now.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    /// Shows the device other contents from `from` on than the file has, which keeps its own: for
    /// a partition that the device only reads.
    ///
    /// # Panics
    ///
    /// If that is beyond the end.
    pub fn overlay(&self, from: usize, bytes: &[u8]) {
        self.0.borrow_mut().bytes[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Words written and sectors erased so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// Lets the power go after this many more words written or sectors erased.
    pub fn lose_power_after(&self, operations: u64) {
        self.cut_power(operations, None);
    }

    /// Lets the power go in the middle of the operation after this many; until that one has begun the flash
    /// can be read, for most of what writes reads first. The seed says what is
    /// left of it: a word that is written has some of its bits; a sector that is erased is all
    /// zeros up to somewhere (chips write it before they erase it), or has few, half, or most of
    /// its bits back, as the seed is 0, 1, 2 or 3 modulo 4.
    pub fn lose_power_amid(&self, operations: u64, seed: u64) {
        self.cut_power(operations, Some(seed));
    }

    fn cut_power(&self, operations_left: u64, amid: Option<u64>) {
        self.0.borrow_mut().cut = Some(PowerCut {
            operations_left,
            amid,
        });
    }

    /// Brings the power back.
    pub fn restore_power(&self) {
        self.0.borrow_mut().cut = None;
    }

    /// Whether the power went as it was told to.
    #[must_use]
    pub fn power_is_lost(&self) -> bool {
        self.0.borrow().is_off()
    }
}

impl Chip {
    fn range(&self, from: u32, length: usize, unit: usize) -> Result<usize, FlashError> {
        let from = from as usize;
        if !from.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::NotAligned);
        }
        match from.checked_add(length) {
            Some(end) if end <= self.bytes.len() => Ok(from),
            _ => Err(FlashError::OutOfBounds),
        }
    }

    fn is_off(&self) -> bool {
        let cut = self.cut.as_ref();
        cut.is_some_and(|cut| cut.operations_left == 0 && cut.amid.is_none())
    }

    /// Begins an operation, if there is power for it. If there is not, the seed says how it is left
    /// half done: that happens once.
    fn spend(&mut self) -> Result<(), Option<u64>> {
        if let Some(cut) = &mut self.cut {
            cut.operations_left = cut
                .operations_left
                .checked_sub(1)
                .ok_or_else(|| cut.amid.take())?;
        }
        self.operations += 1;
        Ok(())
    }

    /// Erases a sector in part.
    fn half_erase(&mut self, sector: usize, seed: u64) {
        let zeros = some_bits(seed, sector, 1) as usize % SECTOR;
        let words = self.bytes[sector..sector + SECTOR]
            .as_chunks_mut::<WORD>()
            .0;
        for (index, word) in words.iter_mut().enumerate() {
            let at = sector + index * WORD;
            *word = match seed % 4 {
                0 if index * WORD < zeros => [0; WORD],
                0 => *word,
                1 => torn(*word, [0xff; WORD], some_bits(seed, at, 7)),
                2 => torn(*word, [0xff; WORD], some_bits(seed, at, 1)),
                _ => torn(*word, [0xff; WORD], !some_bits(seed, at, 7)),
            };
        }
    }

    fn save(&mut self, from: usize, to: usize) -> Result<(), FlashError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(from as u64))
            .and_then(|_| file.write_all(&self.bytes[from..to]))
            .map_err(|_| FlashError::File)
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let chip = self.0.borrow();
        if chip.is_off() {
            return Err(FlashError::PowerLost);
        }
        let from = chip.range(offset, bytes.len(), Self::READ_SIZE)?;
        bytes.copy_from_slice(&chip.bytes[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let mut chip = self.0.borrow_mut();
        let length = to.checked_sub(from).ok_or(FlashError::OutOfBounds)? as usize;
        let from = chip.range(from, length, SECTOR)?;
        for sector in (from..from + length).step_by(SECTOR) {
            match chip.spend() {
                Ok(()) => chip.bytes[sector..sector + SECTOR].fill(0xff),
                Err(amid) => {
                    if let Some(seed) = amid {
                        chip.half_erase(sector, seed);
                        chip.save(sector, sector + SECTOR)?;
                    }
                    return Err(FlashError::PowerLost);
                }
            }
            chip.save(sector, sector + SECTOR)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut chip = self.0.borrow_mut();
        let from = chip.range(offset, bytes.len(), WORD)?;
        let present = &chip.bytes[from..from + bytes.len()];
        if bytes.iter().zip(present).any(|(new, old)| new & !old != 0) {
            return Err(FlashError::NotErased);
        }
        let mut outcome = Ok(());
        let mut written = from;
        for &word in bytes.as_chunks::<WORD>().0 {
            let spent = chip.spend();
            let Some(place) = chip.bytes[written..].first_chunk_mut::<WORD>() else {
                break;
            };
            match spent {
                Ok(()) => *place = word,
                Err(amid) => {
                    if let Some(seed) = amid {
                        *place = torn(*place, word, some_bits(seed, written, 1));
                        written += WORD;
                    }
                    outcome = Err(FlashError::PowerLost);
                    break;
                }
            }
            written += WORD;
        }
        chip.save(from, written)?;
        outcome
    }
}

#[cfg(test)]
mod tests;
