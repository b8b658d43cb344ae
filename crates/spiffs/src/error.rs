//! What can go wrong, told by who can mend it: the caller (arguments, geometry), whoever wrote the
//! image (corruption), or the flash itself.

use core::fmt;

use crate::geometry::GeometryError;

/// Why an operation on a volume failed. `E` is the error of the flash driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The flash driver failed; the volume may be fine.
    Flash(E),
    /// The partition does not lie within the flash, or not on multiples of its read size.
    Partition,
    /// No known geometry fits: the partition is blank, holds something else, has another length
    /// than the image was built for, or was formatted without a magic.
    NotSpiffs,
    /// The geometry given is not one that the volume can have.
    Geometry(GeometryError),
    /// There is no file of that name.
    NotFound,
    /// The file does not fit the buffer given; this many bytes are needed.
    BufferTooSmall(u32),
    /// The image is damaged.
    Corrupt(Fault),
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "the flash cannot be read: {error:?}"),
            Self::Partition => f.write_str(
                "the SPIFFS partition is not within the flash, or not aligned to its read size: \
                 correct the partition table",
            ),
            Self::NotSpiffs => f.write_str(
                "no SPIFFS image in the partition: flash one built for exactly this partition size",
            ),
            Self::Geometry(error) => error.fmt(f),
            Self::NotFound => f.write_str("no such file in the SPIFFS image: add it and rebuild"),
            Self::BufferTooSmall(needed) => {
                write!(f, "the file has {needed} bytes, more than the buffer given")
            }
            Self::Corrupt(fault) => write!(f, "{fault}: rebuild and flash the SPIFFS image"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}

/// One damage to a volume. Pages and blocks are counted from the start of the volume, spans from
/// the start of their object; `object` is the object id without its index flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A block has no magic: its erasure was cut short. What it held is ignored, as the C library
    /// erases such a block when it mounts the volume. At most one can be.
    BlockMagic {
        /// The block.
        block: u32,
    },
    /// A page's header does not say what its lookup entry says, or the page was not finished.
    LookupMismatch {
        /// The page.
        page: u32,
        /// The object id in the lookup table, index flag included.
        lookup_id: u16,
        /// The object id in the page header.
        header_id: u16,
    },
    /// The deletion of a file was cut short. The file counts as deleted.
    HalfDeleted {
        /// The file's object.
        object: u16,
        /// Its first index page.
        page: u32,
    },
    /// A second object has the id of another one.
    DuplicateObject {
        /// The id.
        object: u16,
        /// The first index page of the second one.
        page: u32,
    },
    /// A file is longer than the volume.
    SizeImpossible {
        /// The file's object.
        object: u16,
        /// The length that it claims to have.
        size: u32,
    },
    /// An index page of a file is missing, so the data pages that it lists cannot be found.
    IndexMissing {
        /// The file's object.
        object: u16,
        /// Which of its index pages.
        span: u32,
    },
    /// A data page of a file is missing: its index names a page that is not this one.
    DataMissing {
        /// The file's object.
        object: u16,
        /// Which of its data pages.
        span: u32,
        /// The page that the index names instead.
        page: u32,
    },
    /// Index pages that belong to no file. They only waste space.
    OrphanIndexPages(
        /// How many.
        u32,
    ),
    /// Data pages that no file's index names. They only waste space.
    OrphanDataPages(
        /// How many.
        u32,
    ),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BlockMagic { block } => {
                write!(f, "block {block} has no magic (its erasure was cut short)")
            }
            Self::LookupMismatch {
                page,
                lookup_id,
                header_id,
            } => write!(
                f,
                "page {page} is listed as object {lookup_id:#06x} but is {header_id:#06x} or \
                 unfinished"
            ),
            Self::HalfDeleted { object, page } => {
                write!(
                    f,
                    "the deletion of object {object} (page {page}) was cut short"
                )
            }
            Self::DuplicateObject { object, page } => {
                write!(
                    f,
                    "object {object} exists twice, the second time at page {page}"
                )
            }
            Self::SizeImpossible { object, size } => {
                write!(
                    f,
                    "object {object} claims {size} bytes, more than the volume has"
                )
            }
            Self::IndexMissing { object, span } => {
                write!(f, "index page {span} of object {object} is missing")
            }
            Self::DataMissing { object, span, page } => write!(
                f,
                "data page {span} of object {object} is missing (its index names page {page})"
            ),
            Self::OrphanIndexPages(count) => {
                write!(f, "{count} index pages belong to no file")
            }
            Self::OrphanDataPages(count) => write!(f, "{count} data pages belong to no file"),
        }
    }
}
