//! A NOR flash in a file: it enforces the rules of the chip and loses power on command.
//!
//! Erasing sets whole 4 KiB sectors to ones; writing only clears bits, in words of four bytes. A
//! write that would have to set a bit is refused, as it would be silently wrong on a chip. When
//! the power goes, the operation under way is left half done and all later ones fail.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
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
}

struct Chip {
    bytes: Vec<u8>,
    file: Option<File>,
    /// Words that can still be written and sectors erased before the power goes.
    operations_left: Option<u64>,
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
            operations_left: None,
            operations: 0,
        })))
    }

    /// A flash in a file; what is written goes to the file at once.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(io)?;
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
        self.0.borrow_mut().operations_left = Some(operations);
    }

    /// Brings the power back.
    pub fn restore_power(&self) {
        self.0.borrow_mut().operations_left = None;
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

    fn spend(&mut self) -> Result<(), FlashError> {
        match &mut self.operations_left {
            Some(0) => Err(FlashError::PowerLost),
            Some(left) => {
                *left -= 1;
                self.operations += 1;
                Ok(())
            }
            None => {
                self.operations += 1;
                Ok(())
            }
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
        if chip.operations_left == Some(0) {
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
            chip.spend()?;
            chip.bytes[sector..sector + SECTOR].fill(0xff);
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
        for word in bytes.chunks_exact(WORD) {
            outcome = chip.spend();
            if outcome.is_err() {
                break;
            }
            chip.bytes[written..written + WORD].copy_from_slice(word);
            written += WORD;
        }
        chip.save(from, written)?;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_only_clears_bits() {
        let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
        flash.write(4, &[0x0f; 4]).unwrap();
        flash.write(4, &[0x0e; 4]).unwrap();
        assert_eq!(flash.write(4, &[0x1e; 4]), Err(FlashError::NotErased));
        flash.erase(0, SECTOR as u32).unwrap();
        flash.write(4, &[0x1e; 4]).unwrap();
    }

    #[test]
    fn what_the_chip_cannot_do_is_refused() {
        let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
        assert_eq!(flash.write(1, &[0; 4]), Err(FlashError::NotAligned));
        assert_eq!(flash.write(0, &[0; 3]), Err(FlashError::NotAligned));
        assert_eq!(flash.erase(0, 4), Err(FlashError::NotAligned));
        assert_eq!(flash.erase(4096, 0), Err(FlashError::OutOfBounds));
        assert_eq!(flash.write(4096, &[0; 4]), Err(FlashError::OutOfBounds));
        assert_eq!(
            flash.read(u32::MAX - 3, &mut [0; 4]),
            Err(FlashError::OutOfBounds)
        );
    }

    #[test]
    fn an_overlay_is_for_the_device_only() {
        let file = std::env::temp_dir().join(format!("overlay-{}", std::process::id()));
        std::fs::write(&file, [0xff; 2 * SECTOR]).unwrap();
        let mut flash = Flash::open(&file).unwrap();
        flash.overlay(SECTOR, &[1; SECTOR]);
        flash.write(0, &[2; 4]).unwrap();
        let kept = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(flash.to_bytes()[SECTOR..], [1; SECTOR]);
        assert_eq!((kept[0], &kept[SECTOR..]), (2, &[0xff; SECTOR][..]));
    }

    #[test]
    fn a_power_cut_leaves_the_write_half_done() {
        let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
        flash.lose_power_after(1);
        assert_eq!(flash.write(0, &[0; 8]), Err(FlashError::PowerLost));
        assert_eq!(flash.read(0, &mut [0; 4]), Err(FlashError::PowerLost));
        flash.restore_power();
        assert_eq!(flash.to_bytes()[..9], [0, 0, 0, 0, 255, 255, 255, 255, 255]);
    }
}
