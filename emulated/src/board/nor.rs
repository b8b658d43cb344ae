//! The flash: the second of the board's two parallel flash chips, as a chip with the sectors of
//! 4 KiB that NVS is made for.
//!
//! QEMU's chip (hw/block/pflash_cfi01.c, v7.2.22; Intel's commands, two chips of 16 bits side by
//! side) is honest NOR flash in its commands, but differs from what boards have in two ways, which
//! this driver makes up for:
//!
//! - Its erase blocks have 256 KiB. A sector is erased here by programming it with ones, which
//!   QEMU's chip takes though a real one would not.
//! - It lets programming set bits. This driver refuses that.
//!
//! The first chip is left alone: QEMU boots from it where it is there.
//!
//! How often each sector was erased is counted, for that is what flash wears by.

use core::ptr::with_exposed_provenance;
use core::sync::atomic::{AtomicU8, Ordering};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::Register;

/// The second chip (`VIRT_FLASH`, upper half).
const CHIP: usize = 0x2200_0000;
/// As much of it as a board's flash has.
const CAPACITY: usize = 4 * 1024 * 1024;
/// Bytes that are erased together.
const SECTOR: usize = 4096;
/// Bytes that are programmed together.
const WORD: usize = 4;
/// Words that fit in the chip's write buffer (`writeblock_size`, 2048 bytes).
const BUFFER: usize = 512;

/// Commands, for both chips at once.
mod command {
    pub(super) const PROGRAM_BUFFER: u32 = 0x00e8_00e8;
    pub(super) const CONFIRM: u32 = 0x00d0_00d0;
    pub(super) const CLEAR_STATUS: u32 = 0x0050_0050;
    pub(super) const READ: u32 = 0x00ff_00ff;
}

/// Status bits of both chips: ready; erasing, programming failed.
const READY: u32 = 0x0080_0080;
const FAILED: u32 = 0x0030_0030;

/// Why an operation on the flash failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    /// Beyond the end.
    OutOfBounds,
    /// Not on a word, or for erasing not on a sector.
    NotAligned,
    /// The write would have to set bits, which only erasing can.
    NotErased,
    /// The chip says so: QEMU's file cannot be written.
    Failed,
}

impl NorFlashError for Error {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::NotErased | Self::Failed => NorFlashErrorKind::Other,
        }
    }
}

/// How often each sector was erased in this life; 255 may be more.
static ERASED: [AtomicU8; CAPACITY / SECTOR] = [const { AtomicU8::new(0) }; CAPACITY / SECTOR];

/// What was erased in this life.
pub(crate) struct Erased {
    /// Sectors that were erased at all.
    pub(crate) sectors: u32,
    /// How often the one was that was erased most often.
    pub(crate) most: u8,
}

/// What was erased in this life.
pub(crate) fn erased() -> Erased {
    let times = ERASED.iter().map(|times| times.load(Ordering::Relaxed));
    Erased {
        sectors: times.clone().filter(|&times| times > 0).count() as u32,
        most: times.max().unwrap_or(0),
    }
}

/// The flash. There is one.
pub(crate) struct Flash {
    _one: (),
}

impl Flash {
    /// Takes the flash.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub(crate) fn take() -> Self {
        use portable_atomic::AtomicBool;
        static TAKEN: AtomicBool = AtomicBool::new(false);
        assert!(
            !TAKEN.swap(true, Ordering::Relaxed),
            "the flash is taken once"
        );
        // Whatever a program before was about to do.
        word(0).write(command::CLEAR_STATUS);
        word(0).write(command::READ);
        Self { _one: () }
    }

    fn finish(&mut self, offset: usize) -> Result<(), Error> {
        let mut status = word(offset).read();
        while status & READY != READY {
            status = word(offset).read();
        }
        word(offset).write(command::CLEAR_STATUS);
        word(offset).write(command::READ);
        if status & FAILED == 0 {
            Ok(())
        } else {
            Err(Error::Failed)
        }
    }

    fn erase_sector(&mut self, sector: usize) -> Result<(), Error> {
        if let Some(times) = ERASED.get(sector / SECTOR) {
            // Nobody else writes it, and the target has no atomic addition.
            times.store(
                times.load(Ordering::Relaxed).saturating_add(1),
                Ordering::Relaxed,
            );
        }
        self.program(sector, core::iter::repeat_n(u32::MAX, SECTOR / WORD))
    }

    /// Programs words from there on, by the chip's buffer: for QEMU a way from reading to commands and back is
    /// dear, and with this there is one for each buffer, not for each word.
    fn program(
        &mut self,
        start: usize,
        mut words: impl ExactSizeIterator<Item = u32>,
    ) -> Result<(), Error> {
        let mut at = start;
        while words.len() > 0 {
            // A buffer is programmed into a block of its own length.
            let count = words.len().min(BUFFER - at / WORD % BUFFER);
            word(at).write(command::PROGRAM_BUFFER);
            word(at).write((count as u32 - 1) * 0x0001_0001);
            for (offset, new) in (at..).step_by(WORD).zip(words.by_ref().take(count)) {
                word(offset).write(new);
            }
            word(at).write(command::CONFIRM);
            self.finish(at)?;
            at += count * WORD;
        }
        Ok(())
    }
}

/// A word of the chip; the offset is within its capacity.
fn word(offset: usize) -> Register {
    // SAFETY: the chip is a device; what is written to it touches no memory.
    unsafe { Register::at(CHIP + offset) }
}

/// The bytes between two offsets, which must be on `unit`.
fn range(offset: u32, length: usize, unit: usize) -> Result<core::ops::Range<usize>, Error> {
    let start = offset as usize;
    let end = start
        .checked_add(length)
        .filter(|&end| end <= CAPACITY)
        .ok_or(Error::OutOfBounds)?;
    if start.is_multiple_of(unit) && end.is_multiple_of(unit) {
        Ok(start..end)
    } else {
        Err(Error::NotAligned)
    }
}

impl ErrorType for Flash {
    type Error = Error;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let range = range(offset, bytes.len(), Self::READ_SIZE)?;
        let from = with_exposed_provenance::<u8>(CHIP + range.start);
        // SAFETY: the chip is in the state in which it is read like memory, and the range is
        // inside of it.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let length = to.checked_sub(from).ok_or(Error::OutOfBounds)?;
        range(from, length as usize, SECTOR)?
            .step_by(SECTOR)
            .try_for_each(|sector| self.erase_sector(sector))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let range = range(offset, bytes.len(), WORD)?;
        let (words, _) = bytes.as_chunks::<WORD>();
        let words = || words.iter().map(|word| u32::from_le_bytes(*word));
        let mut places = range.clone().step_by(WORD).zip(words());
        if places.any(|(place, new)| new & !word(place).read() != 0) {
            return Err(Error::NotErased);
        }
        self.program(range.start, words())
    }
}
