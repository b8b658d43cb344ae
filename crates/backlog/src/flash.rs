//! A flash that never waits, as the ring's library wants one. It is lent for one operation, and needs
//! no address but its own.
//!
//! It writes only where that can be done: what was never erased, or was being erased when the power went,
//! would take bits of a record without saying so, or leave one of long ago behind the new ones.

use core::ops::Range;

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash as waiting;

/// How much is read at once, in bytes: whole words of any flash that the library takes.
const PIECE: usize = 32;

/// Reads bytes one after the other; the place consists of whole words.
pub(crate) fn each_byte<F: NorFlash>(
    flash: &mut F,
    place: Range<u32>,
    mut look: impl FnMut(u8),
) -> Result<(), F::Error> {
    for at in place.clone().step_by(PIECE) {
        let mut piece = [0; PIECE];
        let length = (place.end - at).min(PIECE as u32) as usize;
        let piece = &mut piece[..length];
        flash.read(at, piece)?;
        piece.iter().for_each(|byte| look(*byte));
    }
    Ok(())
}

/// The flash, lent.
pub(crate) struct Lent<'a, F> {
    flash: &'a mut F,
    /// The address of what was read or to be written last.
    pub(crate) at: u32,
}

impl<'a, F> Lent<'a, F> {
    pub(crate) fn new(flash: &'a mut F) -> Self {
        Self { flash, at: 0 }
    }
}

/// Why nothing was read, written or erased.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The flash does not work.
    Flash,
    /// Bits that are to be ones are zeros.
    Dirty,
}

impl NorFlashError for Failure {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<F: NorFlash> waiting::ErrorType for Lent<'_, F> {
    type Error = Failure;
}

impl<F: NorFlash> waiting::ReadNorFlash for Lent<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failure> {
        self.at = offset;
        self.flash.read(offset, bytes).map_err(|_| Failure::Flash)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash> waiting::NorFlash for Lent<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        self.flash.erase(from, to).map_err(|_| Failure::Flash)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        self.at = offset;
        let mut clean = true;
        let mut wanted = bytes.iter();
        let place = offset..offset + bytes.len() as u32;
        each_byte(self.flash, place, |old| {
            clean &= wanted.next().is_none_or(|new| new & !old == 0);
        })
        .map_err(|_| Failure::Flash)?;
        // A sector's first word is written when it is the next to be filled.
        let size = F::ERASE_SIZE as u32;
        if offset.is_multiple_of(size) {
            let rest = offset + bytes.len() as u32..offset + size;
            each_byte(self.flash, rest, |old| clean &= old == 0xFF).map_err(|_| Failure::Flash)?;
        }
        if !clean {
            return Err(Failure::Dirty);
        }
        self.flash.write(offset, bytes).map_err(|_| Failure::Flash)
    }
}

/// A word may be written again with fewer ones in it. All flashes of this device can do that: NVS, too,
/// marks its entries so.
impl<F: NorFlash> waiting::MultiwriteNorFlash for Lent<'_, F> {}
