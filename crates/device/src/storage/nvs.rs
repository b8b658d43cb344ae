//! NVS by way of `esp-nvs`: its errors in our words, absent values as none.

use alloc::string::String;
use alloc::vec::Vec;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_nvs::platform::{Crc, software_crc32};
use esp_nvs::{Get, Key, Set, error::Error};
use zeroize::Zeroizing;

use super::{Partition, StorageError};

/// The flash with the checksum that NVS asks for; software, since NVS is used rarely.
pub(super) struct Hal<'a, F>(pub(super) &'a mut F);

impl<F: ErrorType> ErrorType for Hal<'_, F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> ReadNorFlash for Hal<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> NorFlash for Hal<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}

impl<F> Crc for Hal<'_, F> {
    fn crc32(init: u32, data: &[u8]) -> u32 {
        software_crc32(init, data)
    }
}

/// An opened NVS.
pub(super) struct Nvs<'a, F: NorFlash>(esp_nvs::Nvs<Hal<'a, F>>);

impl<'a, F: NorFlash> Nvs<'a, F> {
    pub(super) fn open(hal: Hal<'a, F>, partition: Partition) -> Result<Self, StorageError> {
        esp_nvs::Nvs::new(partition.offset as usize, partition.size as usize, hal)
            .map(Self)
            .map_err(translate)
    }

    pub(super) fn blob(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        present(self.0.get::<Vec<u8>>(namespace, key)).map(|blob| blob.map(Zeroizing::new))
    }

    pub(super) fn set_blob(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: &[u8],
    ) -> Result<(), StorageError> {
        self.0.set(namespace, key, value).map_err(translate)
    }

    pub(super) fn string(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<Zeroizing<String>>, StorageError> {
        present(self.0.get::<String>(namespace, key)).map(|text| text.map(Zeroizing::new))
    }

    pub(super) fn set_string(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: &str,
    ) -> Result<(), StorageError> {
        self.0.set(namespace, key, value).map_err(translate)
    }

    pub(super) fn number<T>(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<T>, StorageError>
    where
        esp_nvs::Nvs<Hal<'a, F>>: Get<T>,
    {
        present(self.0.get::<T>(namespace, key))
    }

    pub(super) fn set_number<T>(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: T,
    ) -> Result<(), StorageError>
    where
        esp_nvs::Nvs<Hal<'a, F>>: Set<T>,
    {
        self.0.set(namespace, key, value).map_err(translate)
    }

    /// Deletes a value and overwrites its bytes in flash.
    pub(super) fn wipe(&mut self, namespace: &Key, key: &Key) -> Result<(), StorageError> {
        self.0.set_purge_mode(true);
        let outcome = self.0.delete(namespace, key).map_err(translate);
        self.0.set_purge_mode(false);
        outcome
    }
}

/// A value that is absent, of another type or damaged is none: the device can live without each.
fn present<T>(value: Result<T, Error>) -> Result<Option<T>, StorageError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(
            Error::NamespaceNotFound
            | Error::KeyNotFound
            | Error::ItemTypeMismatch(_)
            | Error::CorruptedData,
        ) => Ok(None),
        Err(error) => Err(translate(error)),
    }
}

fn translate(error: Error) -> StorageError {
    match error {
        Error::FlashError => StorageError::FlashFailed,
        Error::InvalidPartitionOffset | Error::InvalidPartitionSize => {
            StorageError::PartitionOutside("nvs")
        }
        Error::FlashFull | Error::TooManyNamespaces | Error::ValueTooLong => StorageError::NvsFull,
        _ => StorageError::NvsUnreadable,
    }
}
