//! Files of the operator's: read without waiting for ever, written whole or not at all.
//!
//! - [`read`] takes files, and of pipes only what the operator named: `/dev/stdin`, or what a shell
//!   makes of `<(…)`. A pipe or socket that stands in a folder is refused: to read it is to wait,
//!   perhaps for ever.
//! - [`user_folder`] and [`home`] tell where this user's are.
//! - [`write_private`] and [`Draft`] write beside the place of a file, and then move it there.
//!
//! What is in the files is others' business, and so is the sentence around an error: it names no file.

#![warn(missing_docs)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The most that is read of what has no length.
const MOST: u64 = 256 << 20;

/// Reads a file, and waits for nobody.
///
/// # Errors
///
/// What the operating system says; [`io::ErrorKind::Unsupported`] for what is no file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !is_of_the_system(path) {
        check(path)?;
        return fs::read(path);
    }
    let mut contents = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut contents)?;
    Ok(contents)
}

/// A folder of this user's: what an environment variable names, or else one below the home folder.
#[must_use]
pub fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    told(variable).or_else(|| Some(home()?.join(below_home)))
}

/// The home folder, if `HOME` tells it.
#[must_use]
pub fn home() -> Option<PathBuf> {
    told("HOME")
}

/// What an environment variable tells; nothing that is empty.
fn told(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    Some(value.into())
}

/// Looks whether a path names what can be read without waiting, before it is opened.
///
/// # Errors
///
/// As [`read`]. A folder passes: to read it fails, in the system's own words.
pub fn check(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?;
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    let what = "a pipe, a socket or a device, and no file: put a file there";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// Whether a path names what the system makes for a program, as `/dev/stdin` and `/dev/fd/63`.
fn is_of_the_system(path: &Path) -> bool {
    let places = ["/dev/stdin", "/dev/null", "/dev/fd", "/proc/self/fd"];
    cfg!(unix) && places.iter().any(|place| path.starts_with(place))
}

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
#[derive(Debug)]
pub struct Draft {
    new: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Writes it beside its place. What is secret is for its owner only.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn write(path: &Path, contents: &[u8], is_secret: bool) -> io::Result<Self> {
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
        // Elsewhere a file is for whom its folder is for.
        #[cfg(not(unix))]
        let _ = is_secret;
        let mut file = options.open(&new)?;
        let draft = Self {
            new,
            path: path.to_owned(),
        };
        file.write_all(contents)?;
        Ok(draft)
    }

    /// Waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn sync(&self) -> io::Result<()> {
        OpenOptions::new().append(true).open(&self.new)?.sync_all()
    }

    /// Moves it into its place.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn keep(self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)
    }

    /// Its place.
    #[must_use]
    pub fn path(&self) -> &Path {
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
///
/// # Errors
///
/// What the operating system says.
pub fn clean(path: &Path) -> io::Result<()> {
    beside(path).map_or(Ok(()), |new| remove(&new))
}

/// Removes a file that need not be there.
///
/// # Errors
///
/// What the operating system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_a_folder_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), b"text");
        assert!(read(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_a_folder_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        // The program, for macOS has the call by another name.
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            let refused = read(path).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
            assert!(refused.to_string().contains("no file"), "{refused}");
        }
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
    }

    #[test]
    fn what_is_written_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_private(&path, b"one").unwrap();
        let draft = Draft::write(&path, b"two", true).unwrap();
        assert_eq!(read(&path).unwrap(), b"one");
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        Draft::write(&path, b"two", true).unwrap().keep().unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
    }
}
