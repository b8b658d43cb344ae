//! Keys at rest of a device that seals none: for a maker who leaves it out.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::credentials::{CredentialsError, File};

/// As it is. One that is sealed is refused by whoever proves it.
pub(crate) fn opened(
    key: Zeroizing<Vec<u8>>,
    _: File,
    _: &dyn seal::Chip,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    Ok(key)
}

/// As it is.
#[cfg(feature = "renewal")]
pub(crate) fn protected<F, S>(
    key: Zeroizing<[u8; 32]>,
    _: &crate::storage::Storage<F>,
    _: &S,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    Ok(Zeroizing::new(key.to_vec()))
}

/// A key of this length, and what follows it.
#[cfg(feature = "renewal")]
pub(crate) fn split(kept: &[u8], plain: usize) -> (&[u8], &[u8]) {
    kept.split_at_checked(plain).unwrap_or_default()
}
