//! What the device keeps in flash and reads from it: the partition table, NVS and SPIFFS.
//!
//! NVS is in ESP-IDF's format, and the network that an ESP-IDF firmware left there is found, so
//! that a board changes firmware without being provisioned anew. SPIFFS is only read: a power cut
//! in the middle of a write can corrupt it. Each value is one NVS entry, so after a power cut it
//! is either the old or the new one, never a part.
//!
//! Nothing here keeps a device from living: what cannot be kept in flash (no such partition, no
//! room, a faulty chip) is kept in memory until the next restart, and the caller is told.

mod error;
mod memory;
mod nvs;
mod partitions;
mod place;
#[cfg(feature = "renewal")]
mod renewal;

use core::cell::{Cell, RefCell};

use alloc::string::String;
use alloc::vec::Vec;
use embedded_storage::nor_flash::NorFlash;
use esp_nvs::Key;
use zeroize::Zeroizing;

use crate::wifi::{Passphrase, Place, Ssid, WifiCredentials};
pub use error::{FileError, StorageError};
use memory::{Memory, Network};
pub use partitions::{Partition, Partitions, TABLE_OFFSET, TABLE_SIZE};

/// The NVS namespace of this firmware and its keys. The tools write the same.
pub mod keys {
    use esp_nvs::Key;

    /// The namespace.
    pub const NAMESPACE: Key = Key::from_array(b"esptb");
    /// Blob: one byte of length, the network's name, then its passphrase.
    pub const WIFI: Key = Key::from_array(b"wifi");
    /// Unsigned 64-bit: where the network was, in the bytes that `storage/place.rs` draws; 0 for nowhere.
    pub const PLACE: Key = Key::from_array(b"place");
    /// Unsigned 64-bit: the last time known to be right, in seconds since 1970 UTC.
    pub const LAST_GOOD_TIME: Key = Key::from_array(b"last_good_time");
    /// Unsigned 64-bit: a time on which time servers and the server agreed, in seconds since 1970 UTC.
    pub const PAST: Key = Key::from_array(b"past");
    /// Unsigned 32-bit: the telemetry interval that the server asked for, in milliseconds.
    pub const INTERVAL: Key = Key::from_array(b"interval_ms");
    /// String: the product's shared attributes that are kept, as a JSON object.
    pub const SHARED: Key = Key::from_array(b"shared");
    /// String: the proof of possession that the device made for itself.
    pub const POP: Key = Key::from_array(b"pop");
    /// Blob: the verifier of security 2, with what it was worked out from, in the bytes that `proof/verifier.rs` draws.
    pub const VERIFIER: Key = Key::from_array(b"verifier");
    /// The namespace of what renewals keep; its keys are in [`crate::renewal`].
    #[cfg(feature = "renewal")]
    pub const RENEWAL: Key = Key::from_array(b"esptb.renewal");
}

/// Where ESP-IDF's Wi-Fi driver keeps its station: namespace and key names as read from the NVS
/// of a board that ran the C firmware of ESP-IDF v5.4.1.
mod idf {
    use esp_nvs::Key;

    pub(super) const NAMESPACE: Key = Key::from_array(b"nvs.net80211");
    /// Blob of 36 bytes: length as 32-bit little-endian, then 32 bytes of name.
    pub(super) const SSID: Key = Key::from_array(b"sta.ssid");
    /// Blob of 65 bytes: the passphrase, or the key in 64 hexadecimal digits, ended by NUL.
    pub(super) const PASSWORD: Key = Key::from_array(b"sta.pswd");
}

/// The flash of a device, with its partitions found.
pub struct Storage<F> {
    flash: RefCell<F>,
    partitions: Cell<Partitions>,
    /// What could not be kept in flash.
    memory: RefCell<Memory>,
}

impl<F: NorFlash> Storage<F> {
    /// Reads the partition table, and makes NVS ready: one that cannot be read is erased, as
    /// ESP-IDF's own examples do, since a device that keeps a broken NVS could never be
    /// provisioned again.
    ///
    /// Returns what is wrong, for a person; the device lives with it.
    #[inline(never)] // its temporaries would be of the whole life's frame
    pub fn open(mut flash: F) -> (Self, heapless::Vec<StorageError, 2>) {
        let partitions = Partitions::read(&mut flash);
        let storage = Self {
            flash: RefCell::new(flash),
            partitions: Cell::new(partitions),
            memory: RefCell::default(),
        };
        let nvs = storage.make_nvs_ready();
        // With less it goes on; also a flash that does not answer may do so another time.
        if let Err(error @ (StorageError::PartitionOutside(_) | StorageError::NvsFull)) = nvs {
            storage.partitions.set(Partitions {
                nvs: Err(error),
                ..partitions
            });
        }
        // Without a table both say the same.
        let spiffs = partitions.spiffs.err().filter(|error| nvs != Err(*error));
        (storage, nvs.err().into_iter().chain(spiffs).collect())
    }

    fn make_nvs_ready(&self) -> Result<(), StorageError> {
        let partition = self.partitions().nvs?;
        let started =
            nvs::Nvs::start(&mut *self.flash.borrow_mut(), partition).map(|(_, damaged)| damaged);
        match started {
            Ok(false) => Ok(()),
            Ok(true) => Err(StorageError::NvsDamaged),
            Err(StorageError::NvsUnreadable) => {
                self.erase_nvs()?;
                Err(StorageError::NvsUnreadable)
            }
            Err(error) => Err(error),
        }
    }

    /// Works on the flash itself, where no partition of this module's lies.
    pub(crate) fn with_flash<T>(&self, work: impl FnOnce(&mut F) -> T) -> T {
        work(&mut self.flash.borrow_mut())
    }

    /// Gives the flash back.
    pub fn release(self) -> F {
        self.flash.into_inner()
    }

    /// Where things are. A table that could not be read is read again.
    pub fn partitions(&self) -> Partitions {
        let mut partitions = self.partitions.get();
        if partitions.nvs == Err(StorageError::FlashFailed) {
            partitions = Partitions::read(&mut *self.flash.borrow_mut());
            self.partitions.set(partitions);
        }
        partitions
    }

    /// The network to join: our own, or else the one an ESP-IDF firmware left.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash; a stored network that makes no sense is none.
    pub fn wifi(&self) -> Result<Option<WifiCredentials>, StorageError> {
        match &self.memory.borrow().wifi {
            Some(Network::Kept(network)) => return Ok(Some(network.clone())),
            Some(Network::Forgotten) => return Ok(None),
            None => {}
        }
        self.look_up(|nvs| {
            if let Some(blob) = nvs.blob(&keys::NAMESPACE, &keys::WIFI)? {
                return Ok(parse_wifi(&blob));
            }
            let ssid = nvs.blob(&idf::NAMESPACE, &idf::SSID)?;
            let password = nvs.blob(&idf::NAMESPACE, &idf::PASSWORD)?;
            Ok(ssid.and_then(|ssid| parse_idf_wifi(&ssid, password.as_deref().map_or(&[], |p| p))))
        })
    }

    /// Keeps the network to join, in one write.
    ///
    /// What it replaces, ESP-IDF's too, is wiped from flash. Should the power fail just then, the next
    /// network that is kept or forgotten takes it along.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is kept in memory only.
    pub fn keep_wifi(&self, network: &WifiCredentials) -> Result<(), StorageError> {
        let ssid = network.ssid.as_bytes();
        let mut blob = Zeroizing::new(Vec::with_capacity(97));
        blob.push(ssid.len() as u8);
        blob.extend_from_slice(ssid);
        blob.extend_from_slice(network.passphrase.as_bytes());
        let kept = self.with_nvs(|nvs| nvs.set_blob(&keys::NAMESPACE, &keys::WIFI, &blob));
        self.memory.borrow_mut().wifi = kept.is_err().then(|| Network::Kept(network.clone()));
        kept?;
        self.with_nvs(|nvs| {
            // Ours holds now, so that ESP-IDF's is not needed any more.
            nvs.wipe(&idf::NAMESPACE, &idf::SSID)?;
            nvs.wipe(&idf::NAMESPACE, &idf::PASSWORD)
        })
    }

    /// Forgets the network, ours and ESP-IDF's, wiping their bytes from flash; and what is certainly past, so that who has
    /// the board can have it believe another time, should all have agreed on a wrong one.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the flash does not work: it is forgotten until the next restart only.
    pub fn erase_wifi(&self) -> Result<(), StorageError> {
        let erased = self.look_up(|nvs| {
            // ESP-IDF's first: should the power fail in between, our own still holds, and the
            // next try begins where this one ended.
            nvs.wipe(&idf::NAMESPACE, &idf::SSID)?;
            nvs.wipe(&idf::NAMESPACE, &idf::PASSWORD)?;
            nvs.wipe(&keys::NAMESPACE, &keys::PLACE)?;
            nvs.wipe(&keys::NAMESPACE, &keys::PAST)?;
            nvs.wipe(&keys::NAMESPACE, &keys::WIFI)?;
            Ok(None::<()>)
        });
        self.memory.borrow_mut().wifi = erased.is_err().then_some(Network::Forgotten);
        erased.map(|_| ())
    }

    /// Where the network of this name was, if that is known. A flash that does not answer knows nothing.
    pub fn place(&self, ssid: &Ssid) -> Option<Place> {
        let packed = self.look_up(|nvs| nvs.number(&keys::NAMESPACE, &keys::PLACE));
        place::unpack(packed.ok().flatten()?, ssid)
    }

    /// Keeps where the network of this name is; nothing is written if it is known, and none forgets it.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is not kept: the next start looks for it.
    pub fn keep_place(&self, ssid: &Ssid, place: Option<Place>) -> Result<(), StorageError> {
        if self.place(ssid) == place {
            return Ok(());
        }
        let packed = place.map_or(0, |place| place::pack(place, ssid));
        self.with_nvs(|nvs| nvs.set_number(&keys::NAMESPACE, &keys::PLACE, packed))
    }

    /// The last time known to be right, in seconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn last_good_time(&self) -> Result<Option<u64>, StorageError> {
        if let Some(unix_s) = self.memory.borrow().last_good_time {
            return Ok(Some(unix_s));
        }
        self.look_up(|nvs| nvs.number(&keys::NAMESPACE, &keys::LAST_GOOD_TIME))
    }

    /// Keeps a time known to be right, in seconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is kept in memory only.
    pub fn keep_last_good_time(&self, unix_s: u64) -> Result<(), StorageError> {
        let kept =
            self.with_nvs(|nvs| nvs.set_number(&keys::NAMESPACE, &keys::LAST_GOOD_TIME, unix_s));
        self.memory.borrow_mut().last_good_time = kept.is_err().then_some(unix_s);
        kept
    }

    /// What is certainly past, in seconds since 1970 UTC: the latest time on which time servers and the server agreed.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn past(&self) -> Result<Option<u64>, StorageError> {
        if let Some(unix_s) = self.memory.borrow().past {
            return Ok(Some(unix_s));
        }
        self.look_up(|nvs| nvs.number(&keys::NAMESPACE, &keys::PAST))
    }

    /// Keeps what is certainly past, in seconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is kept in memory only.
    pub fn keep_past(&self, unix_s: u64) -> Result<(), StorageError> {
        let kept = self.with_nvs(|nvs| nvs.set_number(&keys::NAMESPACE, &keys::PAST, unix_s));
        self.memory.borrow_mut().past = kept.is_err().then_some(unix_s);
        kept
    }

    /// The telemetry interval that the server asked for, in milliseconds.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn interval_ms(&self) -> Result<Option<u32>, StorageError> {
        self.look_up(|nvs| nvs.number(&keys::NAMESPACE, &keys::INTERVAL))
    }

    /// Keeps the telemetry interval that the server asked for.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is not kept; the server tells it again.
    pub fn keep_interval_ms(&self, ms: u32) -> Result<(), StorageError> {
        self.with_nvs(|nvs| nvs.set_number(&keys::NAMESPACE, &keys::INTERVAL, ms))
    }

    /// The product's shared attributes that were kept, as a JSON object.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn shared_attributes(&self) -> Result<Option<Zeroizing<String>>, StorageError> {
        if let Some(json) = &self.memory.borrow().shared {
            return Ok(Some(json.clone()));
        }
        self.look_up(|nvs| nvs.string(&keys::NAMESPACE, &keys::SHARED))
    }

    /// Keeps the product's shared attributes, as a JSON object.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if they are kept in memory only.
    pub fn keep_shared_attributes(&self, json: &str) -> Result<(), StorageError> {
        let kept = self.with_nvs(|nvs| nvs.set_string(&keys::NAMESPACE, &keys::SHARED, json));
        self.memory.borrow_mut().shared = kept.is_err().then(|| Zeroizing::new(json.into()));
        kept
    }

    /// The proof of possession that the device made for itself.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn proof_of_possession(&self) -> Result<Option<Zeroizing<String>>, StorageError> {
        if let Some(pop) = &self.memory.borrow().pop {
            return Ok(Some(pop.clone()));
        }
        self.look_up(|nvs| nvs.string(&keys::NAMESPACE, &keys::POP))
    }

    /// Keeps the proof of possession that the device made for itself.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is kept in memory only.
    pub fn keep_proof_of_possession(&self, pop: &str) -> Result<(), StorageError> {
        let kept = self.with_nvs(|nvs| nvs.set_string(&keys::NAMESPACE, &keys::POP, pop));
        self.memory.borrow_mut().pop = kept.is_err().then(|| Zeroizing::new(pop.into()));
        kept
    }

    /// The verifier of security 2 that was worked out before, in the bytes that `proof/verifier.rs` draws.
    pub(crate) fn verifier(&self) -> Option<Zeroizing<Vec<u8>>> {
        let kept = self.look_up(|nvs| nvs.blob(&keys::NAMESPACE, &keys::VERIFIER));
        kept.ok().flatten()
    }

    /// Keeps the verifier of security 2. Where that fails, it is worked out again.
    pub(crate) fn keep_verifier(&self, bytes: &[u8]) {
        let _ = self.with_nvs(|nvs| nvs.set_blob(&keys::NAMESPACE, &keys::VERIFIER, bytes));
    }

    /// Reads a whole file of the SPIFFS partition, of at most `limit` bytes, wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`FileError`] if there is no such file, it is larger, or the volume is damaged.
    pub fn read_file(&self, name: &str, limit: u32) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let spiffs = self.partitions().spiffs;
        let Partition { offset, size } = spiffs.map_err(FileError::NoPartition)?;
        let mut flash = self.flash.borrow_mut();
        let mut volume =
            spiffs::Spiffs::mount(&mut *flash, spiffs::Partition { offset, size }, None)
                .map_err(|error| FileError::from_spiffs(&error))?;
        let file = volume
            .stat(name)
            .map_err(|error| FileError::from_spiffs(&error))?;
        if file.size() > limit {
            return Err(FileError::TooLarge {
                size: file.size(),
                limit,
            });
        }
        let mut bytes = Zeroizing::new(alloc::vec![0; file.size() as usize]);
        volume
            .read(&mut file.into_file(), 0, &mut bytes)
            .map_err(|error| FileError::from_spiffs(&error))?;
        Ok(bytes)
    }

    fn erase_nvs(&self) -> Result<(), StorageError> {
        let Partition { offset, size } = self.partitions().nvs?;
        self.flash
            .borrow_mut()
            .erase(offset, offset + size)
            .map_err(|_| StorageError::FlashFailed)
    }

    /// NVS is opened for each use, which is a few times in a life.
    fn with_nvs<T>(
        &self,
        use_it: impl FnOnce(&mut nvs::Nvs<'_, F>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let partition = self.partitions().nvs?;
        let mut flash = self.flash.borrow_mut();
        let mut nvs = nvs::Nvs::open(&mut *flash, partition)?;
        use_it(&mut nvs)
    }

    /// Reads from NVS. Where there is none, nothing is in it; that was told when it was opened.
    fn look_up<T>(
        &self,
        read: impl FnOnce(&mut nvs::Nvs<'_, F>) -> Result<Option<T>, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        match self.partitions().nvs {
            Ok(_) => self.with_nvs(read),
            Err(StorageError::FlashFailed) => Err(StorageError::FlashFailed),
            Err(_) => Ok(None),
        }
    }
}

/// Our blob: one byte of length, the name, the passphrase.
fn parse_wifi(blob: &[u8]) -> Option<WifiCredentials> {
    let (&length, rest) = blob.split_first()?;
    let (ssid, passphrase) = rest.split_at_checked(length.into())?;
    credentials(ssid, passphrase)
}

fn parse_idf_wifi(ssid: &[u8], password: &[u8]) -> Option<WifiCredentials> {
    let (length, name) = ssid.split_first_chunk::<4>()?;
    let ssid = name.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let end = password
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(password.len());
    credentials(ssid, &password[..end])
}

fn credentials(ssid: &[u8], passphrase: &[u8]) -> Option<WifiCredentials> {
    if ssid.is_empty() {
        return None;
    }
    Some(WifiCredentials {
        ssid: Ssid::new(ssid)?,
        passphrase: Passphrase::new(passphrase)?,
        // Not kept: the access point may be replaced, the network stays.
        bssid: None,
        channel: None,
    })
}

/// Names of NVS entries, for tools that show a flash: a name for each key whose value is secret.
#[must_use]
pub fn is_secret(namespace: &Key, key: &Key) -> bool {
    (*namespace == keys::NAMESPACE && [keys::WIFI, keys::POP, keys::VERIFIER].contains(key))
        || *namespace == idf::NAMESPACE
}

#[cfg(test)]
mod tests;
