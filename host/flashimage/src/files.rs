//! A folder's files, named as they will be in SPIFFS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// Reads all files below a folder. Like `spiffsgen.py`, it follows links to files, not to folders.
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

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}
