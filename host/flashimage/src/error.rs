//! What can go wrong in building an image. All of it is for the operator to mend.

use std::{io, path::PathBuf};

use crate::{AppError, TableError};

/// Why an image cannot be built or looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The partition table is not usable.
    #[error("partition table: {0}")]
    Table(#[from] TableError),
    /// The table lacks a partition that something was meant for.
    #[error("there is no partition {name:?} to hold {purpose}: add it to the partition table")]
    PartitionMissing {
        /// The partition's name.
        name: &'static str,
        /// What it was to hold.
        purpose: &'static str,
    },
    /// What is called `spiffs` is of another type.
    #[error(
        "the partition \"spiffs\" is of type {0}, which the device does not read: make it \
         `data, spiffs` in the partition table"
    )]
    OtherFiles(String),
    /// There is no partition for an app.
    #[error("the partition table has no app/factory and no app/ota_0 to hold the app: add one")]
    NoSlot,
    /// Something does not fit where it belongs.
    #[error(
        "{what} has {size} bytes, {} more than the {limit} there is room for: make it smaller, or \
         enlarge the partition", .size - .limit
    )]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        size: usize,
        /// The room there is in bytes.
        limit: usize,
    },
    /// The app cannot boot.
    #[error(transparent)]
    App(#[from] AppError),
    /// A name cannot be one of NVS.
    #[error("{0:?} cannot be a namespace or key of NVS: use 1 to 15 ASCII characters")]
    NvsName(String),
    /// Two NVS entries have the same name.
    #[error("NVS has {namespace:?}/{key:?} twice: leave one out")]
    NvsTwice {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
    },
    /// NVS does not take a value.
    #[error("NVS does not take {namespace:?}/{key:?}: {reason}")]
    Nvs {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The files do not make a SPIFFS image.
    #[error("SPIFFS: {0}")]
    Spiffs(#[from] spiffs::BuildError),
    /// A file or folder cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe, a socket or a device where a file belongs.
    #[error("{}: it is no file: put a file in its place, or take it out of the folder", .0.display())]
    NotAFile(PathBuf),
    /// A file's path is not UTF-8.
    #[error("{}: the name is not UTF-8: rename the file", .0.display())]
    FileName(PathBuf),
}
