//! Keys at rest: opened by the chip that they are sealed for, and sealed for it where the key that came by
//! cable is.
//!
//! The form is the crate [`seal`]'s, and the arithmetic the chip's.

use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use zeroize::Zeroizing;

use crate::credentials::{CredentialsError, Fault, File};
use crate::platform::{Entropy, System};
use crate::storage::Storage;

/// What was read of a key: as it is, or opened if it is sealed.
///
/// # Errors
///
/// [`Fault::Seal`], of this file, if the chip does not open it.
pub(crate) fn opened(
    key: Zeroizing<Vec<u8>>,
    file: File,
    chip: &dyn seal::Chip,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    if !seal::is_sealed(&key) {
        return Ok(key);
    }
    let opened = seal::Sealed::parse(&key).and_then(|sealed| sealed.open(chip));
    opened.map_err(|fault| file.has(Fault::Seal(fault)))
}

/// What is kept of a key that the device made: sealed, if the one in its files is, with the same key of the
/// chip's.
///
/// # Errors
///
/// [`Fault::Seal`] if the chip does not seal it; what reading `device.key` meets.
#[cfg(feature = "renewal")]
pub(crate) fn protected<F: NorFlash, S: System>(
    key: Zeroizing<[u8; 32]>,
    storage: &Storage<F>,
    system: &S,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let file = super::read(storage, File::Key)?;
    let sealed = match seal::is_sealed(&file) {
        true => seal::Sealed::parse(&file).and_then(|file| {
            let random = &mut Entropy(system);
            seal::seal(&*key, file.block(), system.sealer(), random)
        }),
        false => Ok(key.to_vec()),
    };
    let sealed = sealed.map_err(|fault| File::Key.has(Fault::Seal(fault)));
    sealed.map(Zeroizing::new)
}

/// What is kept of a key, sealed or plain and then of this length, and what follows it.
#[cfg(feature = "renewal")]
pub(crate) fn split(kept: &[u8], plain: usize) -> (&[u8], &[u8]) {
    let key = match seal::Sealed::first(kept) {
        Ok((_, rest)) => kept.len() - rest.len(),
        Err(_) => plain,
    };
    kept.split_at_checked(key).unwrap_or_default()
}
