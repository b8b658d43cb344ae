//! The header that every page but the lookup pages starts with.
//!
//! ```text
//!  0        2        4       5
//! +--------+--------+-------+
//! | object | span   | flags |
//! +--------+--------+-------+
//! ```
//!
//! Flags are cleared bit by bit, as NOR flash allows, while a page goes through its life
//! (spiffs_nucleus.h, pellepl/spiffs, 0dbb3f7).

use crate::geometry::{Endianness, PAGE_HEADER_LEN};

pub(crate) const PAGE_HEADER_BYTES: usize = PAGE_HEADER_LEN as usize;

/// Set in the object id of index pages, in the header and in the lookup table.
pub(crate) const INDEX_FLAG: u16 = 0x8000;
/// Lookup entry of a page never written.
pub(crate) const ID_FREE: u16 = 0xFFFF;
/// Lookup entry of a page no longer wanted.
pub(crate) const ID_DELETED: u16 = 0;

/// Cleared once the page is written to.
const NOT_USED: u8 = 1 << 0;
/// Cleared once the page is complete.
const NOT_FINAL: u8 = 1 << 1;
/// Cleared in index pages.
const NOT_INDEX: u8 = 1 << 2;
/// Cleared in a file's first index page when its deletion starts.
const NOT_DELETING: u8 = 1 << 6;
/// Cleared when the page is deleted.
const NOT_DELETED: u8 = 1 << 7;

/// Flags of a complete index page, as `spiffsgen.py` writes them.
#[cfg(feature = "alloc")]
pub(crate) const FLAGS_INDEX: u8 = !(NOT_USED | NOT_FINAL | NOT_INDEX);
/// Flags of a complete data page.
#[cfg(feature = "alloc")]
pub(crate) const FLAGS_DATA: u8 = !(NOT_USED | NOT_FINAL);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub(crate) id: u16,
    pub(crate) span: u16,
    pub(crate) flags: u8,
}

impl PageHeader {
    pub(crate) fn parse(bytes: [u8; PAGE_HEADER_BYTES], endianness: Endianness) -> Self {
        let [id0, id1, span0, span1, flags] = bytes;
        Self {
            id: endianness.u16([id0, id1]),
            span: endianness.u16([span0, span1]),
            flags,
        }
    }

    fn state(self) -> u8 {
        self.flags & (NOT_USED | NOT_FINAL | NOT_INDEX | NOT_DELETED)
    }

    /// Whether this is a complete index page, whatever its place in its object.
    pub(crate) fn is_index(self) -> bool {
        self.state() == NOT_DELETED && self.id & INDEX_FLAG != 0
    }

    /// Whether this is the first index page of an object that is not being deleted: a file.
    pub(crate) fn is_file(self) -> bool {
        self.is_index() && self.span == 0 && self.flags & NOT_DELETING != 0
    }

    /// Whether this is the first index page of an object whose deletion was started.
    pub(crate) fn is_half_deleted(self) -> bool {
        self.is_index() && self.span == 0 && self.flags & NOT_DELETING == 0
    }

    /// Whether this is a complete data page.
    pub(crate) fn is_data(self) -> bool {
        self.state() == NOT_DELETED | NOT_INDEX && self.id & INDEX_FLAG == 0
    }
}
