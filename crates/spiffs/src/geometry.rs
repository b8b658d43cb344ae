//! The measures of a SPIFFS volume, which the image itself does not record.
//!
//! They are compile-time options of the C library, so a reader has to be told them or has to find
//! them out (see `detect`). This module only does sums; it reads nothing.

use core::fmt;

/// Bytes of a page header in use: object id, span index, flags.
pub(crate) const PAGE_HEADER_LEN: u32 = 5;
/// Where an object index page that is not the first of its object has its table: the page header,
/// padded to a word.
pub(crate) const INDEX_TABLE_OFFSET: u32 = 8;
/// Where the name starts in the first object index page: padded header, size (4), type (1).
pub(crate) const NAME_OFFSET: u32 = 13;
/// Bytes of an object id, a span index and a page index: `u16` in ESP-IDF's configuration
/// (espressif/esp-idf, components/spiffs/include/spiffs_config.h, 4c2820d).
pub(crate) const ID_LEN: u32 = 2;
/// The longest name field that ESP-IDF can be configured for (components/spiffs/Kconfig, 4c2820d).
pub(crate) const MAX_NAME_LEN: usize = 256;

const SMALLEST_PAGE: u32 = 64;
const LARGEST_PAGE: u32 = 32 * 1024;
const MAGIC: u32 = 0x2014_0529;

/// Byte order of every number in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endianness {
    /// Least significant byte first: all of Espressif's chips.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endianness {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// How a block is marked as belonging to a SPIFFS volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Magic {
    /// Not at all (`CONFIG_SPIFFS_USE_MAGIC=n`). Such a volume can be read only with its geometry
    /// given, and any flash content passes for one. With blocks of just half as many pages as a
    /// page has bytes (32768 for pages of 256) it is the only kind that the C library mounts, as
    /// the lookup table leaves no room.
    None,
    /// With a number made of the page size.
    Plain,
    /// With a number made of the page size and of the count of blocks from this one to the last,
    /// so that a volume of another length is not taken for this one. ESP-IDF's default.
    WithLength,
}

/// The options that a volume was formatted with. All lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Page size: a power of two. `CONFIG_SPIFFS_PAGE_SIZE`.
    pub page_size: u32,
    /// Block size: a multiple of the page size, and on a chip the erase size of its flash.
    pub block_size: u32,
    /// Length of the name field, the terminating zero included. `CONFIG_SPIFFS_OBJ_NAME_LEN`.
    pub name_len: u32,
    /// Length of the metadata field after the name. `CONFIG_SPIFFS_META_LENGTH`.
    pub meta_len: u32,
    /// How blocks are marked.
    pub magic: Magic,
    /// Byte order.
    pub endianness: Endianness,
    /// Whether the page table of an object's first index page is aligned to two bytes
    /// (`SPIFFS_ALIGNED_OBJECT_INDEX_TABLES`).
    pub aligned_index_tables: bool,
}

impl Geometry {
    /// ESP-IDF's defaults, which are also those of `spiffsgen.py`.
    pub const ESP_IDF: Self = Self {
        page_size: 256,
        block_size: 4096,
        name_len: 32,
        meta_len: 4,
        magic: Magic::WithLength,
        endianness: Endianness::Little,
        aligned_index_tables: false,
    };

    /// Where the page table starts in the first index page of an object.
    pub(crate) fn header_table_offset(&self) -> u32 {
        let end = NAME_OFFSET + self.name_len + self.meta_len;
        if self.aligned_index_tables {
            end.next_multiple_of(ID_LEN)
        } else {
            end
        }
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Self::ESP_IDF
    }
}

/// A geometry that no SPIFFS volume can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The page size is not a power of two from 64 to 32768.
    PageSize(u32),
    /// The block size is not a multiple of the page size, has room for lookup pages only, or is
    /// one for which `spiffsgen.py` and the C library disagree on the number of lookup pages.
    BlockSize(u32),
    /// The name field is empty or longer than 256 bytes.
    NameLen(u32),
    /// Name and metadata leave no room for a page table in the page.
    HeaderTooLong {
        /// Bytes that header and one table entry take.
        needed: u32,
        /// The page size.
        page_size: u32,
    },
    /// The volume is shorter than one block, longer than page numbers of 16 bits reach, or, for
    /// building, not a multiple of the block size.
    VolumeSize(u32),
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageSize(size) => write!(
                f,
                "page size {size}: use a power of two from {SMALLEST_PAGE} to {LARGEST_PAGE}, \
                 as in CONFIG_SPIFFS_PAGE_SIZE (256 by default)"
            ),
            Self::BlockSize(size) => write!(
                f,
                "block size {size}: use the erase size of the flash, 4096 on Espressif's chips; \
                 it must be a multiple of the page size"
            ),
            Self::NameLen(len) => write!(
                f,
                "name length {len}: use 1 to {MAX_NAME_LEN}, as in CONFIG_SPIFFS_OBJ_NAME_LEN \
                 (32 by default)"
            ),
            Self::HeaderTooLong { needed, page_size } => write!(
                f,
                "name and metadata need {needed} bytes of a page of {page_size}: shorten them or \
                 use larger pages"
            ),
            Self::VolumeSize(size) => write!(
                f,
                "partition of {size} bytes: use a multiple of the block size, at least one block \
                 and fewer than 65536 pages"
            ),
        }
    }
}

impl core::error::Error for GeometryError {}

/// A geometry laid over a volume of a known length: every derived number, checked once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) block_count: u32,
    pub(crate) pages_per_block: u32,
    /// Pages at the start of each block that hold its lookup table.
    pub(crate) lookup_pages: u32,
    /// Lookup entries of a block, one for each of its other pages.
    pub(crate) entries_per_block: u32,
    /// File bytes in a data page.
    pub(crate) content_len: u32,
    pub(crate) header_table_offset: u32,
    /// Data pages that the first index page of an object can list.
    pub(crate) header_entries: u32,
    /// Data pages that each further index page can list.
    pub(crate) index_entries: u32,
}

impl Layout {
    /// # Errors
    ///
    /// [`GeometryError`] if no volume of `size` bytes can have this geometry. A remainder of less
    /// than a block at the end is left unused, as the C library does.
    pub(crate) fn new(geometry: Geometry, size: u32) -> Result<Self, GeometryError> {
        let Geometry {
            page_size,
            block_size,
            name_len,
            meta_len,
            ..
        } = geometry;
        if !page_size.is_power_of_two() || !(SMALLEST_PAGE..=LARGEST_PAGE).contains(&page_size) {
            return Err(GeometryError::PageSize(page_size));
        }
        if name_len == 0 || name_len as usize > MAX_NAME_LEN {
            return Err(GeometryError::NameLen(name_len));
        }
        // Checked before it is added to anything: a metadata length near u32::MAX would wrap.
        let needed = meta_len.saturating_add(NAME_OFFSET + name_len + 2 * ID_LEN);
        if needed > page_size {
            return Err(GeometryError::HeaderTooLong { needed, page_size });
        }
        let pages_per_block = block_size / page_size;
        // spiffs_nucleus.h (pellepl/spiffs, 0dbb3f7) rounds down, spiffsgen.py (espressif/esp-idf,
        // components/spiffs, 4c2820d) rounds up; an image is sound only where both agree.
        let lookup_pages = (pages_per_block * ID_LEN / page_size).max(1);
        if block_size == 0
            || !block_size.is_multiple_of(page_size)
            || pages_per_block <= lookup_pages
            || lookup_pages != (pages_per_block * ID_LEN).div_ceil(page_size)
        {
            return Err(GeometryError::BlockSize(block_size));
        }
        let block_count = size / block_size;
        // ESP-IDF refuses volumes whose pages a u16 cannot count (components/spiffs/esp_spiffs.c,
        // 4c2820d).
        if block_count == 0 || size / page_size > u32::from(u16::MAX) {
            return Err(GeometryError::VolumeSize(size));
        }
        let header_table_offset = geometry.header_table_offset();
        Ok(Self {
            geometry,
            block_count,
            pages_per_block,
            lookup_pages,
            entries_per_block: pages_per_block - lookup_pages,
            content_len: page_size - PAGE_HEADER_LEN,
            header_table_offset,
            header_entries: (page_size - header_table_offset) / ID_LEN,
            index_entries: (page_size - INDEX_TABLE_OFFSET) / ID_LEN,
        })
    }

    /// All lookup entries of the volume.
    pub(crate) fn entry_count(&self) -> u32 {
        self.block_count * self.entries_per_block
    }

    /// The page that a lookup entry, counted through the whole volume, stands for.
    pub(crate) fn page_of_entry(&self, entry: u32) -> u32 {
        let block = entry / self.entries_per_block;
        block * self.pages_per_block + self.lookup_pages + entry % self.entries_per_block
    }

    /// The lookup entry of a page, or `None` for a page outside the volume or a lookup page.
    pub(crate) fn entry_of_page(&self, page: u32) -> Option<u32> {
        let block = page / self.pages_per_block;
        let slot = (page % self.pages_per_block).checked_sub(self.lookup_pages)?;
        (block < self.block_count).then_some(block * self.entries_per_block + slot)
    }

    /// Where a lookup entry stands in the volume.
    pub(crate) fn entry_address(&self, entry: u32) -> u32 {
        let block = entry / self.entries_per_block;
        block * self.geometry.block_size + entry % self.entries_per_block * ID_LEN
    }

    pub(crate) fn page_address(&self, page: u32) -> u32 {
        page * self.geometry.page_size
    }

    /// Where a block's magic stands: the last but one place of its lookup pages.
    pub(crate) fn magic_address(&self, block: u32) -> u32 {
        block * self.geometry.block_size + self.magic_slot() * ID_LEN
    }

    /// The place of the magic, counted in lookup entries from the start of the block.
    pub(crate) fn magic_slot(&self) -> u32 {
        self.lookup_pages * self.geometry.page_size / ID_LEN - 2
    }

    /// Whether a full block's lookup table covers the place of its magic. The C library refuses
    /// such a geometry with a magic (`SPIFFS_CHECK_MAGIC_POSSIBLE`), the generator does not.
    pub(crate) fn is_magic_covered(&self) -> bool {
        self.entries_per_block > self.magic_slot()
    }

    /// A block's magic, if the volume has one: `SPIFFS_MAGIC` of spiffs_nucleus.h
    /// (pellepl/spiffs, 0dbb3f7).
    pub(crate) fn magic(&self, block: u32) -> Option<u16> {
        let plain = MAGIC ^ self.geometry.page_size;
        let magic = match self.geometry.magic {
            Magic::None => return None,
            Magic::Plain => plain,
            Magic::WithLength => plain ^ (self.block_count - block),
        };
        Some((magic & 0xFFFF) as u16)
    }

    /// Data pages that a file of `size` bytes takes.
    pub(crate) fn data_pages(&self, size: u32) -> u32 {
        size.div_ceil(self.content_len)
    }

    /// Index pages that a file of `data_pages` data pages takes.
    pub(crate) fn index_pages(&self, data_pages: u32) -> u32 {
        1 + data_pages
            .saturating_sub(self.header_entries)
            .div_ceil(self.index_entries)
    }

    /// Which index page of its object lists a data page, and the address of the entry in it.
    pub(crate) fn table_entry(&self, data_span: u32) -> (u32, u32) {
        match data_span.checked_sub(self.header_entries) {
            None => (0, self.header_table_offset + data_span * ID_LEN),
            Some(rest) => (
                1 + rest / self.index_entries,
                INDEX_TABLE_OFFSET + rest % self.index_entries * ID_LEN,
            ),
        }
    }

    /// The data pages that an index page lists: the first one, and how many.
    pub(crate) fn table_range(&self, index_span: u32) -> (u32, u32) {
        match index_span.checked_sub(1) {
            None => (0, self.header_entries),
            Some(rest) => (
                self.header_entries + rest * self.index_entries,
                self.index_entries,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_layout_has_the_numbers_of_esp_idf() {
        let layout = Layout::new(Geometry::ESP_IDF, 0x40000).unwrap();
        assert_eq!((layout.block_count, layout.pages_per_block), (64, 16));
        assert_eq!((layout.lookup_pages, layout.entries_per_block), (1, 15));
        assert_eq!(
            (layout.header_table_offset, layout.header_entries),
            (49, 103)
        );
        assert_eq!((layout.index_entries, layout.content_len), (124, 251));
        assert_eq!(
            (layout.magic(0), layout.magic(1)),
            (Some(0x0469), Some(0x0416))
        );
        assert_eq!(layout.magic_address(1), 4096 + 252);
        assert!(!layout.is_magic_covered());
        let large = Geometry {
            block_size: 32768,
            ..Geometry::ESP_IDF
        };
        assert!(Layout::new(large, 0x40000).unwrap().is_magic_covered());
    }

    #[test]
    fn entries_and_pages_map_both_ways() {
        let layout = Layout::new(Geometry::ESP_IDF, 0x40000).unwrap();
        for entry in 0..layout.entry_count() {
            assert_eq!(
                layout.entry_of_page(layout.page_of_entry(entry)),
                Some(entry)
            );
        }
        assert_eq!(layout.entry_of_page(0), None, "a lookup page");
        assert_eq!(layout.entry_of_page(1024), None, "past the end");
        assert_eq!(layout.table_entry(102), (0, 49 + 204));
        assert_eq!(layout.table_entry(103), (1, 8));
        assert_eq!(layout.table_entry(103 + 124), (2, 8));
        assert_eq!(layout.table_range(2), (227, 124));
    }

    #[test]
    fn impossible_geometries_are_refused() {
        let ok = Geometry::ESP_IDF;
        let refuse = |geometry| Layout::new(geometry, 0x40000).unwrap_err();
        assert_eq!(
            refuse(Geometry { page_size: 0, ..ok }),
            GeometryError::PageSize(0)
        );
        assert_eq!(
            refuse(Geometry {
                page_size: 768,
                ..ok
            }),
            GeometryError::PageSize(768)
        );
        assert_eq!(
            refuse(Geometry {
                block_size: 0,
                ..ok
            }),
            GeometryError::BlockSize(0)
        );
        assert_eq!(
            refuse(Geometry {
                block_size: 256,
                ..ok
            }),
            GeometryError::BlockSize(256)
        );
        assert_eq!(
            refuse(Geometry {
                block_size: 4097,
                ..ok
            }),
            GeometryError::BlockSize(4097)
        );
        assert_eq!(
            refuse(Geometry {
                block_size: 36864,
                ..ok
            }),
            GeometryError::BlockSize(36864)
        );
        assert_eq!(
            refuse(Geometry { name_len: 0, ..ok }),
            GeometryError::NameLen(0)
        );
        assert_eq!(
            refuse(Geometry {
                name_len: u32::MAX,
                ..ok
            }),
            GeometryError::NameLen(u32::MAX)
        );
        assert!(matches!(
            refuse(Geometry {
                meta_len: u32::MAX,
                ..ok
            }),
            GeometryError::HeaderTooLong { .. }
        ));
        for size in [4095, 0x100_0000, u32::MAX] {
            assert_eq!(
                Layout::new(ok, size).unwrap_err(),
                GeometryError::VolumeSize(size)
            );
        }
    }
}
