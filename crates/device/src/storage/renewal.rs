//! What renewals keep, in a namespace of its own: nothing of it is kept in memory where flash does not take
//! it, for a renewal that a restart would forget is none.

use alloc::string::String;
use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use esp_nvs::Key;
use zeroize::Zeroizing;

use super::{Storage, StorageError, keys};

/// The namespace.
const NAMESPACE: Key = keys::RENEWAL;

impl<F: NorFlash> Storage<F> {
    /// Whether there may be anything.
    pub(crate) fn has_renewals(&self) -> Result<bool, StorageError> {
        let namespace = self.look_up(|nvs| nvs.namespace(&NAMESPACE));
        namespace.map(|number| number.is_some())
    }

    /// A blob; none if there is none, or it is damaged.
    pub(crate) fn renewal_blob(
        &self,
        key: &Key,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        self.look_up(|nvs| nvs.blob(&NAMESPACE, key))
    }

    /// Keeps a blob: at any time there is the one before, or this.
    pub(crate) fn keep_renewal_blob(&self, key: &Key, bytes: &[u8]) -> Result<(), StorageError> {
        self.with_nvs(|nvs| nvs.set_blob(&NAMESPACE, key, bytes))
    }

    /// A number; 0 if there is none.
    pub(crate) fn renewal_number(&self, key: &Key) -> Result<u64, StorageError> {
        let number = self.look_up(|nvs| nvs.number(&NAMESPACE, key));
        number.map(Option::unwrap_or_default)
    }

    /// Keeps a number, likewise.
    pub(crate) fn keep_renewal_number(&self, key: &Key, number: u64) -> Result<(), StorageError> {
        if self.renewal_number(key)? == number {
            return Ok(());
        }
        self.with_nvs(|nvs| nvs.set_number(&NAMESPACE, key, number))
    }

    /// A text; nothing if there is none.
    pub(crate) fn renewal_text(&self, key: &Key) -> Result<Zeroizing<String>, StorageError> {
        let text = self.look_up(|nvs| nvs.string(&NAMESPACE, key));
        text.map(Option::unwrap_or_default)
    }

    /// Keeps a text, likewise.
    pub(crate) fn keep_renewal_text(&self, key: &Key, text: &str) -> Result<(), StorageError> {
        if *self.renewal_text(key)? == text {
            return Ok(());
        }
        self.with_nvs(|nvs| nvs.set_string(&NAMESPACE, key, text))
    }

    /// Deletes something, and overwrites its bytes and all that was replaced.
    pub(crate) fn wipe_renewal(&self, key: &Key) -> Result<(), StorageError> {
        self.with_nvs(|nvs| nvs.wipe(&NAMESPACE, key))
    }
}
