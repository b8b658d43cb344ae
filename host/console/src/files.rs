//! Files of the operator's, with errors that say which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Reads a file, and waits for nobody: see [`hostfile::read`].
///
/// # Errors
///
/// Which file, and what the operating system says.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    hostfile::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads text, without the byte order mark that some editors put before it.
///
/// # Errors
///
/// As [`read`], and for what is no UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(certfile::text::bare(&bytes));
    text.map(str::to_owned).map_err(|_| {
        let name = path.display();
        anyhow::anyhow!("{name} is no text in UTF-8 (UTF-16, perhaps): save it as UTF-8")
    })
}

/// The folders in a folder, by name.
///
/// # Errors
///
/// What the operating system says.
pub fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(entries(path)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect())
}

/// What is in a folder, by name.
///
/// # Errors
///
/// What the operating system says.
pub fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Writes a file that everybody may read.
///
/// # Errors
///
/// As [`read`].
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file with secrets: for its owner only, whole or not at all.
///
/// # Errors
///
/// As [`read`].
pub fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    hostfile::write_private(path, contents)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A folder of this user's that an environment variable names, or else one below the home folder.
///
/// # Errors
///
/// That neither is told.
pub fn user_folder(variable: &str, below_home: &str) -> Result<PathBuf> {
    hostfile::user_folder(variable, below_home).context(NO_HOME)
}

/// The home folder.
///
/// # Errors
///
/// That it is not told.
pub fn home() -> Result<PathBuf> {
    hostfile::home().context(NO_HOME)
}

const NO_HOME: &str = "HOME does not tell the home folder: set it, or give a place of your own";
