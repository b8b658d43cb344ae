//! A partition of a flash as a row of bytes: any address, any length, inside the partition only.
//!
//! Knows nothing of SPIFFS beyond its layout's numbers.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::{
    error::Error,
    geometry::Layout,
    page::{PAGE_HEADER_BYTES, PageHeader},
};

/// Bytes read at once when a read has to be widened to the flash's read size.
const SCRATCH: usize = 256;

/// Where a partition lies in its flash, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Offset of its first byte: a multiple of the flash's read size.
    pub offset: u32,
    /// Length: a multiple of the flash's read size.
    pub size: u32,
}

impl Partition {
    /// The whole of a flash of `size` bytes, such as an image in memory.
    pub const fn whole(size: u32) -> Self {
        Self { offset: 0, size }
    }
}

/// A partition of a flash.
#[derive(Debug)]
pub(crate) struct Flash<F> {
    flash: F,
    partition: Partition,
}

impl<F: ReadNorFlash> Flash<F> {
    /// # Errors
    ///
    /// [`Error::Partition`] if the partition is not within the flash or not aligned.
    pub(crate) fn new(flash: F, partition: Partition) -> Result<Self, Error<F::Error>> {
        const {
            assert!(
                F::READ_SIZE > 0 && F::READ_SIZE <= SCRATCH && SCRATCH.is_multiple_of(F::READ_SIZE),
                "the flash's read size has to divide 256"
            );
        }
        let read_size = F::READ_SIZE as u32;
        let end = u64::from(partition.offset) + u64::from(partition.size);
        if end > flash.capacity() as u64
            || end > u64::from(u32::MAX)
            || !partition.offset.is_multiple_of(read_size)
            || !partition.size.is_multiple_of(read_size)
        {
            return Err(Error::Partition);
        }
        Ok(Self { flash, partition })
    }

    pub(crate) fn size(&self) -> u32 {
        self.partition.size
    }

    pub(crate) fn release(self) -> F {
        self.flash
    }

    /// Fills `buf` from `address`, counted from the start of the partition.
    ///
    /// # Errors
    ///
    /// [`Error::Partition`] if that is not within the partition, [`Error::Flash`] from the driver.
    pub(crate) fn read(&mut self, address: u32, buf: &mut [u8]) -> Result<(), Error<F::Error>> {
        let end = u64::from(address) + buf.len() as u64;
        if end > u64::from(self.partition.size) {
            return Err(Error::Partition);
        }
        let read_size = F::READ_SIZE;
        let mut address = self.partition.offset + address;
        if (address as usize).is_multiple_of(read_size) && buf.len().is_multiple_of(read_size) {
            return self.flash.read(address, buf).map_err(Error::Flash);
        }
        // Widened reads stay within the partition, since its ends are multiples of the read size.
        let mut rest = buf;
        while !rest.is_empty() {
            let skip = address as usize % read_size;
            let len = rest.len().min(SCRATCH - skip);
            let mut scratch = [0; SCRATCH];
            let window = &mut scratch[..(skip + len).next_multiple_of(read_size)];
            self.flash
                .read(address - skip as u32, window)
                .map_err(Error::Flash)?;
            let (head, tail) = rest.split_at_mut(len);
            head.copy_from_slice(&window[skip..skip + len]);
            rest = tail;
            address += len as u32;
        }
        Ok(())
    }

    /// Reads the header of a page that is known to be within the volume.
    pub(crate) fn page_header(
        &mut self,
        layout: &Layout,
        page: u32,
    ) -> Result<PageHeader, Error<F::Error>> {
        let mut bytes = [0; PAGE_HEADER_BYTES];
        self.read(layout.page_address(page), &mut bytes)?;
        Ok(PageHeader::parse(bytes, layout.geometry.endianness))
    }

    /// Reads one number of 16 bits.
    pub(crate) fn u16(&mut self, layout: &Layout, address: u32) -> Result<u16, Error<F::Error>> {
        let mut bytes = [0; 2];
        self.read(address, &mut bytes)?;
        Ok(layout.geometry.endianness.u16(bytes))
    }
}
