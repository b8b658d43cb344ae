//! A flash that never waits, as the ring's library wants one. It is lent for one operation, and needs
//! no address but its own.
//!
//! It writes only where that can be done: what was never erased, or was being erased when the power went,
//! would take bits of a record without saying so.

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash as waiting;

/// The flash, lent.
pub(crate) struct Lent<'a, F>(pub(crate) &'a mut F);

/// Why nothing was read, written or erased.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The flash does not work.
    Flash,
    /// Bits that are to be ones are zeros, at this address.
    Dirty(u32),
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
        self.0.read(offset, bytes).map_err(|_| Failure::Flash)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> waiting::NorFlash for Lent<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        self.0.erase(from, to).map_err(|_| Failure::Flash)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        let mut at = offset;
        for wanted in bytes.chunks(32) {
            let mut present = [0; 32];
            let present = &mut present[..wanted.len()];
            self.0.read(at, present).map_err(|_| Failure::Flash)?;
            if wanted
                .iter()
                .zip(present)
                .any(|(new, old)| new & !*old != 0)
            {
                return Err(Failure::Dirty(at));
            }
            at += wanted.len() as u32;
        }
        self.0.write(offset, bytes).map_err(|_| Failure::Flash)
    }
}

/// A word may be written again with fewer ones in it. All flashes of this device can do that: NVS, too,
/// marks its entries so.
impl<F: NorFlash> waiting::MultiwriteNorFlash for Lent<'_, F> {}
