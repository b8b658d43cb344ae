//! An image in memory, as a flash to mount.

use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash};

/// Bytes that can be read as a NOR flash: an image file, or flash that the chip maps into memory.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a>(
    /// The bytes.
    pub &'a [u8],
);

impl ErrorType for Image<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Image<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let start = offset as usize;
        let part = start
            .checked_add(bytes.len())
            .and_then(|end| self.0.get(start..end));
        bytes.copy_from_slice(part.ok_or(NorFlashErrorKind::OutOfBounds)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}
