//! A folder's files, named as they will be in SPIFFS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// Reads all files below a folder, but for those that are not in their place yet. Like `spiffsgen.py`, it follows links to files, not to folders.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        for entry in fs::read_dir(&path).map_err(io(&path))? {
            let entry = entry.map_err(io(&path))?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::FileName(path));
            };
            if is_draft(&name) {
                continue;
            }
            let name = format!("{prefix}/{name}");
            let is_link = entry.file_type().map_err(io(&path))?.is_symlink();
            let is_folder = fs::metadata(&path).map_err(io(&path))?.is_dir();
            if !is_folder {
                let contents = fs::read(&path).map_err(io(&path))?;
                files.push((name, contents));
            } else if !is_link {
                folders.push((path, name));
            }
        }
    }
    Ok(files)
}

/// What `pki` leaves if it is killed while it writes: half a file, maybe of a key.
fn is_draft(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".device.key.new", "device.key", ".hidden", "old.new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let mut names: Vec<_> = read_folder(folder.path()).unwrap();
        names.sort();
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["/.hidden", "/device.key", "/old.new"]);
    }
}
