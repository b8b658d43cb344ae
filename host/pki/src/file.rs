//! Files that are there whole or not at all: written beside their place, then moved into it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes a file that only its owner may read, in place of any that is there, whoever could read
/// that one. Killed halfway, it leaves the old one. What is no file, as a pipe, is written into.
///
/// # Errors
///
/// What the operating system says.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(contents),
        _ => Draft::write(path, contents, true)?.keep(),
    }
}

/// A file that is written but not in its place yet; gone if it never gets there.
pub(crate) struct Draft {
    new: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub(crate) fn write(path: &Path, contents: &[u8], is_secret: bool) -> io::Result<Self> {
        let new = beside(path).ok_or(io::ErrorKind::InvalidFilename)?;
        // One left by a run that was killed.
        remove(&new)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(if is_secret { 0o600 } else { 0o644 });
        }
        let mut file = options.open(&new)?;
        let draft = Self {
            new,
            path: path.to_owned(),
        };
        file.write_all(contents)?;
        Ok(draft)
    }

    /// Waits until it is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        OpenOptions::new().append(true).open(&self.new)?.sync_all()
    }

    /// Moves it into its place.
    pub(crate) fn keep(self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is in its place, or of no use to anybody; that it cannot be removed says no more.
        let _ = fs::remove_file(&self.new);
    }
}

/// Where a file is written first. `flashimage` knows such names, and leaves them out of images.
fn beside(path: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name()?);
    name.push(".new");
    Some(path.with_file_name(name))
}

/// Removes what a run that was killed left of writing this file.
pub(crate) fn clean(path: &Path) -> io::Result<()> {
    beside(path).map_or(Ok(()), |new| remove(&new))
}

/// Removes a file that need not be there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
