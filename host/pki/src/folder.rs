//! What is in the folder of an authority, and what can be wrong with a file.

use std::path::{Path, PathBuf};

use crate::Error;

/// The root's files.
pub(crate) const ROOT: [&str; 2] = ["root.crt", "root.key"];
/// The intermediate's.
pub(crate) const INTERMEDIATE: [&str; 2] = ["intermediate.crt", "intermediate.key"];

pub(crate) fn unusable(path: &Path, reason: impl ToString) -> Error {
    Error::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}
