//! What can be wrong with the flash, and who must act.

use core::fmt;

/// Why the flash cannot be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageError {
    /// There is no partition table at 0x8000, or it is damaged.
    NoPartitionTable,
    /// The table has no partition of this name.
    NoPartition(&'static str),
    /// What is labelled `spiffs` is of another type, FAT or LittleFS, and there is no SPIFFS.
    OtherFiles,
    /// A partition lies outside the flash, across its sectors, or over the partition table.
    PartitionOutside(&'static str),
    /// NVS holds something else, or is damaged beyond its own repair.
    NvsUnreadable,
    /// Something in NVS cannot be read and makes room: worn flash, foreign hands, or a power cut
    /// while a page was erased, of which nothing was lost.
    NvsDamaged,
    /// NVS has no room left.
    NvsFull,
    /// The flash itself failed to read, write or erase.
    FlashFailed,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartitionTable => f.write_str(
                "no partition table at 0x8000: flash a whole image (bootloader, table, app, SPIFFS)",
            ),
            Self::NoPartition(name) => write!(
                f,
                "the partition table has no partition \"{name}\": flash the table of this firmware"
            ),
            Self::OtherFiles => f.write_str(
                "the partition labelled \"spiffs\" is of type fat or littlefs, which this firmware does not \
                 read: flash a table in which it is of type data, subtype spiffs, and a SPIFFS image",
            ),
            Self::PartitionOutside(name) => write!(
                f,
                "the partition \"{name}\" does not lie behind the table, within the flash, on whole sectors: \
                 flash a table made for this flash size"
            ),
            Self::NvsUnreadable => f.write_str(
                "NVS is in no format that this firmware reads, and starts afresh: provision the \
                 device again",
            ),
            Self::NvsDamaged => f.write_str(
                "a part of NVS cannot be read, from worn flash or a power cut, and makes room: if the \
                 device waits to be provisioned, do it again, with the code that it shows now; if \
                 this comes often, replace the board",
            ),
            Self::NvsFull => {
                f.write_str("NVS is full: erase the nvs partition, then provision again")
            }
            Self::FlashFailed => f.write_str("the flash does not answer: the board is faulty"),
        }
    }
}

/// Why a file of the SPIFFS partition could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// There is no partition to read it from.
    NoPartition(StorageError),
    /// The partition holds no SPIFFS volume.
    NoVolume,
    /// There is no such file.
    Missing,
    /// The file is larger than anything sensible.
    TooLarge {
        /// Its size in bytes.
        size: u32,
        /// The most that is read, in bytes.
        limit: u32,
    },
    /// The volume is damaged where the file lies.
    Damaged,
    /// The flash itself failed to read.
    FlashFailed,
}

impl FileError {
    pub(super) fn from_spiffs<E>(error: &spiffs::Error<E>) -> Self {
        match error {
            spiffs::Error::Flash(_) => Self::FlashFailed,
            spiffs::Error::NotFound => Self::Missing,
            spiffs::Error::Corrupt(_) => Self::Damaged,
            _ => Self::NoVolume,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartition(error) => write!(f, "cannot be read: {error}"),
            Self::NoVolume => {
                f.write_str("the spiffs partition holds no SPIFFS volume: build and flash one")
            }
            Self::Missing => f.write_str("is not in the SPIFFS partition: add it and flash again"),
            Self::TooLarge { size, limit } => {
                write!(
                    f,
                    "has {size} bytes, more than the {limit} that make sense: put the right file \
                     in its place and flash again"
                )
            }
            Self::Damaged => f.write_str("is damaged: build the SPIFFS image and flash it again"),
            Self::FlashFailed => StorageError::FlashFailed.fmt(f),
        }
    }
}
