//! The device's files, read from SPIFFS under the names that either generation of the C firmware
//! gave them, so that a board of either moves over with its files as they are.
//!
//! | file | also as | holds |
//! |---|---|---|
//! | `device.crt` | | see [`crate::credentials`] |
//! | `device.key` | | the same |
//! | `server_chain.pem` | `root_ca.crt` | the same |
//! | `settings.json` | | see [`crate::settings`] |
//! | `provisioning.pop` | `provisioning.pop` of settings.json, which comes first | the proof of possession, as text |
//!
//! The second names are those of the C firmware on ESP-IDF 6.1, whose table has SPIFFS at 0x3b0000;
//! the first those of the one on v5.4.1 (maksonlee/esp32-ble-mqtt-x509-thingsboard,
//! main/cert_manager.c, commit e02c7c3).

#[cfg_attr(not(feature = "seal"), path = "files/unsealed.rs")]
pub(crate) mod sealed;

use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::credentials::{Bundle, CredentialsError, Fault, File, Files, Renewed};
use crate::settings::{ProofOfPossession, Settings, SettingsError};
use crate::storage::{FileError, Storage};

/// The most that `settings.json` may have, in bytes.
const SETTINGS_LIMIT: u32 = 4096;

/// The file with the proof of possession alone.
const PROOF: &str = "provisioning.pop";
/// The most that it may have, in bytes: a proof, and how the line ends.
const PROOF_LIMIT: u32 = 64 + 2;

/// The most that a credentials file may have, in bytes: ten certificates with RSA-4096 keys.
const CREDENTIALS_LIMIT: u32 = 24 * 1024;

/// What is set; with an error, the defaults.
#[inline(never)] // its temporaries would be of the whole life's frame
pub(crate) fn settings<F: NorFlash>(storage: &Storage<F>) -> (Settings, Option<SettingsError>) {
    match storage.read_file("settings.json", SETTINGS_LIMIT) {
        Ok(file) => match Settings::parse(&file) {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error)),
        },
        // Without a volume there are no certificates either, which tell the same.
        Err(FileError::Missing | FileError::NoVolume | FileError::NoPartition(_)) => {
            (Settings::default(), None)
        }
        Err(error) => (Settings::default(), Some(SettingsError::Unreadable(error))),
    }
}

/// The proof of possession in a file of its own, if there is one. For a device whose settings have
/// none, and read when it is asked for, not at each start.
pub(crate) fn proof<F: NorFlash>(
    storage: &Storage<F>,
) -> Result<Option<ProofOfPossession>, SettingsError> {
    match storage.read_file(PROOF, PROOF_LIMIT) {
        Ok(file) => ProofOfPossession::from_file(&file)
            .map(Some)
            .ok_or(SettingsError::ProofFile),
        Err(FileError::Missing | FileError::NoVolume | FileError::NoPartition(_)) => Ok(None),
        Err(FileError::TooLarge { .. }) => Err(SettingsError::ProofFile),
        Err(error) => Err(SettingsError::ProofUnreadable(error)),
    }
}

/// The credentials, proven, with what a renewal brought. A key that is sealed is opened by the chip.
pub(crate) fn bundle<F: NorFlash>(
    storage: &Storage<F>,
    renewed: Renewed<'_>,
    chip: &dyn seal::Chip,
    random: &mut dyn CryptoRng,
) -> Result<Bundle, CredentialsError> {
    let own = |file| match renewed.identity {
        Some(_) => Ok(Zeroizing::default()),
        None => read(storage, file),
    };
    let files = Files {
        certificate: &own(File::Certificate)?,
        key: &sealed::opened(own(File::Key)?, File::Key, chip)?,
        server_chain: &read(storage, File::ServerChain)?,
    };
    Bundle::prove_renewed(files, renewed, random)
}

/// The device's certificate that came by cable, in DER, whatever it is worth.
#[cfg(feature = "renewal")]
pub(crate) fn leaf<F: NorFlash>(
    storage: &Storage<F>,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let file = read(storage, File::Certificate)?;
    let leaf = certfile::file::certificates(&file).next();
    let leaf = leaf.and_then(|leaf| leaf.decode().ok());
    leaf.ok_or(File::Certificate.has(Fault::Damaged { number: 1 }))
}

/// Reads a file under the first of its names that there is.
pub(crate) fn read<F: NorFlash>(
    storage: &Storage<F>,
    file: File,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let mut read = Err(FileError::Missing);
    for name in file.names() {
        read = storage.read_file(name, CREDENTIALS_LIMIT);
        if !matches!(read, Err(FileError::Missing)) {
            break;
        }
    }
    read.map_err(|error| {
        file.has(match error {
            FileError::Missing => Fault::Missing,
            FileError::TooLarge { limit, .. } => Fault::TooLarge {
                most: limit as usize,
            },
            other => Fault::Unreadable(other),
        })
    })
}

#[cfg(test)]
mod tests;
