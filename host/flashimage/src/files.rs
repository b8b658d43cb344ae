//! A folder's files, named as they will be in SPIFFS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// What is below a folder.
pub(crate) struct Read {
    /// Paths from there on, and contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Paths of what was not read.
    pub(crate) left_out: Vec<String>,
}

/// Reads all files below a folder. Like `spiffsgen.py`, it follows links to files, not to folders.
/// Leaves out what desktops and editors put beside them, and names it.
pub(crate) fn read_folder(folder: &Path) -> Result<Read, Error> {
    let mut files = Vec::new();
    let mut left_out = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        for entry in fs::read_dir(&path).map_err(io(&path))? {
            let entry = entry.map_err(io(&path))?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::FileName(path));
            };
            if is_litter(&name) {
                left_out.push(format!("{prefix}/{name}"));
                continue;
            }
            let name = format!("{prefix}/{name}");
            let is_link = entry.file_type().map_err(io(&path))?.is_symlink();
            let kind = fs::metadata(&path).map_err(io(&path))?;
            let is_folder = kind.is_dir();
            if !is_folder {
                let contents = hostfile::read(&path).map_err(|error| match error.kind() {
                    std::io::ErrorKind::Unsupported => Error::NotAFile(path.clone()),
                    _ => io(&path)(error),
                })?;
                files.push((name, contents));
            } else if !is_link {
                folders.push((path, name));
            }
        }
    }
    left_out.sort();
    Ok(Read { files, left_out })
}

/// What no device reads: hidden files, such as `pki` leaves if it is killed while it writes, and
/// copies that editors leave.
fn is_litter(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || ["Thumbs.db", "desktop.ini"].contains(&name)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let refused = read_folder(folder.path()).err().unwrap();
        assert!(matches!(refused, Error::NotAFile(named) if named == path));
    }

    #[test]
    fn what_no_device_reads_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".device.key.new", "device.key", "device.key~", "old.new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join(".git")).unwrap();
        let read = read_folder(folder.path()).unwrap();
        let mut names: Vec<_> = read.files.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["/device.key", "/old.new"]);
        assert_eq!(read.left_out, ["/.device.key.new", "/.git", "/device.key~"]);
    }
}
