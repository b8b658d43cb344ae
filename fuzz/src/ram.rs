//! Flash in memory that keeps the rules of NOR: bits only fall, sectors are erased whole.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

/// The size of a sector, in bytes.
pub const SECTOR: usize = 4096;

/// Flash, with the number of operations that were done on it.
pub struct Ram {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Reads, writes and erasures.
    pub operations: u64,
}

impl Ram {
    /// Flash that holds this.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            operations: 0,
        }
    }

    fn part(&mut self, at: u32, length: usize) -> Result<&mut [u8], NorFlashErrorKind> {
        self.operations += 1;
        let start = at as usize;
        let end = start.checked_add(length);
        end.and_then(|end| self.bytes.get_mut(start..end))
            .ok_or(NorFlashErrorKind::OutOfBounds)
    }
}

impl ErrorType for Ram {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Ram {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4));
        bytes.copy_from_slice(self.part(offset, bytes.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Ram {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        assert!(from.is_multiple_of(SECTOR as u32) && to.is_multiple_of(SECTOR as u32));
        let length = to.checked_sub(from).ok_or(NorFlashErrorKind::OutOfBounds)?;
        self.part(from, length as usize)?.fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4));
        for (cell, byte) in self.part(offset, bytes.len())?.iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}
