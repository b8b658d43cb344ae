//! A NOR flash in memory or in a file: it enforces the rules of the chip and loses power on command.
//! Many that begin alike share what none of them has changed ([`Image`]).
//!
//! Erasing sets whole 4 KiB sectors to ones; writing only clears bits, in words of four bytes. A
//! write that would have to set a bit is refused, as it would be silently wrong on a chip; unless who tries a
//! flash that holds just anything wants it as on a chip ([`Flash::without_refusals`]). When
//! the power goes, all later operations fail; the one under way is left undone, or, as it happens
//! to a chip, half done: a word of which some bits have fallen, a sector of which some have risen.

mod pages;
mod power;

use std::cell::RefCell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pages::Contents;
pub use pages::Image;
use power::PowerCut;

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

struct Chip {
    contents: Contents,
    file: Option<File>,
    cut: Option<PowerCut>,
    /// Words written and sectors erased.
    operations: u64,
    /// Reads, writes and erasures that were asked for.
    calls: u64,
    /// Whether a write that would have to set bits is refused.
    refuses: bool,
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
        Self::new(&Image::new(&bytes))
    }

    /// A flash in memory that begins with this image.
    #[must_use]
    pub fn new(image: &Rc<Image>) -> Self {
        Self(Rc::new(RefCell::new(Chip {
            contents: Contents::of(image.clone()),
            file: None,
            cut: None,
            operations: 0,
            calls: 0,
            refuses: true,
        })))
    }

    /// As on a chip: a write where bits have fallen before refuses nothing, and leaves those bits that both
    /// have. What does not depend on what the flash holds, that words and sectors are asked for, panics if it is not so.
    #[must_use]
    pub fn without_refusals(self) -> Self {
        self.0.borrow_mut().refuses = false;
        self
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
        let chip = self.0.borrow();
        let mut bytes = vec![0; chip.contents.size()];
        chip.contents.read(0, &mut bytes);
        bytes
    }

    /// Puts other contents there from `from` on, whatever there was. A file keeps its own: for a partition
    /// that the device only reads.
    ///
    /// # Panics
    ///
    /// If that is beyond the end.
    pub fn overlay(&self, from: usize, bytes: &[u8]) {
        let mut chip = self.0.borrow_mut();
        let end = from.checked_add(bytes.len());
        assert!(
            end.is_some_and(|end| end <= chip.contents.size()),
            "beyond the end of the flash"
        );
        chip.contents.put(from, bytes);
    }

    /// Words written and sectors erased so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// Reads, writes and erasures that were asked for so far: what goes on without end is seen by them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.borrow().calls
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
    fn range(&mut self, from: u32, length: usize, unit: usize) -> Result<usize, FlashError> {
        self.calls += 1;
        let from = from as usize;
        if !from.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            assert!(
                self.refuses,
                "{length} bytes at {from:#x}, in units of {unit}"
            );
            return Err(FlashError::NotAligned);
        }
        match from.checked_add(length) {
            Some(end) if end <= self.contents.size() => Ok(from),
            _ => Err(FlashError::OutOfBounds),
        }
    }

    fn is_off(&self) -> bool {
        self.cut.as_ref().is_some_and(PowerCut::is_over)
    }

    /// Begins an operation, if there is power for it: see [`PowerCut::spend`].
    fn spend(&mut self) -> Result<(), Option<u64>> {
        self.cut.as_mut().map_or(Ok(()), PowerCut::spend)?;
        self.operations += 1;
        Ok(())
    }

    /// Whether this can be written without setting bits.
    fn takes(&self, from: usize, bytes: &[u8]) -> bool {
        let mut takes = true;
        self.contents.each(from, bytes.len(), |present, at| {
            let new = &bytes[at..at + present.len()];
            takes &= new.iter().zip(present).all(|(new, old)| new & !old == 0);
        });
        takes
    }

    fn save(&mut self, from: usize, length: usize) -> Result<(), FlashError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut bytes = vec![0; length];
        self.contents.read(from, &mut bytes);
        file.seek(SeekFrom::Start(from as u64))
            .and_then(|_| file.write_all(&bytes))
            .map_err(|_| FlashError::File)
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let mut chip = self.0.borrow_mut();
        if chip.is_off() {
            return Err(FlashError::PowerLost);
        }
        let from = chip.range(offset, bytes.len(), Self::READ_SIZE)?;
        chip.contents.read(from, bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().contents.size()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let mut chip = self.0.borrow_mut();
        let length = to.checked_sub(from).ok_or(FlashError::OutOfBounds)? as usize;
        let from = chip.range(from, length, SECTOR)?;
        for number in from / SECTOR..(from + length) / SECTOR {
            let outcome = match chip.spend() {
                Ok(()) => {
                    chip.contents.blank(number);
                    Ok(())
                }
                Err(amid) => {
                    if let Some(seed) = amid {
                        let mut sector = [0; SECTOR];
                        chip.contents.read(number * SECTOR, &mut sector);
                        power::half_erase(&mut sector, seed, number * SECTOR);
                        chip.contents.put(number * SECTOR, &sector);
                    }
                    Err(FlashError::PowerLost)
                }
            };
            chip.save(number * SECTOR, SECTOR)?;
            outcome?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut chip = self.0.borrow_mut();
        let from = chip.range(offset, bytes.len(), WORD)?;
        if chip.refuses && !chip.takes(from, bytes) {
            return Err(FlashError::NotErased);
        }
        let mut outcome = Ok(());
        let mut written = from;
        for &word in bytes.as_chunks::<WORD>().0 {
            let spent = chip.spend();
            let place = chip.contents.word_mut(written);
            let both = u32::from_le_bytes(*place) & u32::from_le_bytes(word);
            match spent {
                Ok(()) => *place = both.to_le_bytes(),
                Err(amid) => {
                    if let Some(seed) = amid {
                        power::half_write(place, both.to_le_bytes(), seed, written);
                        written += WORD;
                    }
                    outcome = Err(FlashError::PowerLost);
                    break;
                }
            }
            written += WORD;
        }
        chip.save(from, written - from)?;
        outcome
    }
}

#[cfg(test)]
mod tests;
