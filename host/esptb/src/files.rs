//! Files of the operator's, with errors that say which.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Reads a file.
///
/// # Errors
///
/// Which file, and what the operating system says.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file that everybody may read.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file with secrets: for its owner only, whole or not at all.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    pki::write_private(path, contents).with_context(|| format!("cannot write {}", path.display()))
}
