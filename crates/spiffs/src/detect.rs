//! Mounting: finding out whether a partition holds a volume, and of which geometry.
//!
//! Page size, block size, byte order and the kind of magic follow from the magics, of which every
//! block has one. The lengths of name and metadata leave no trace but the place of the page table
//! behind them; that is found by looking for a table that leads to the file's own data pages.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::{
    error::Error,
    geometry::{Endianness, Geometry, ID_LEN, Layout, Magic, NAME_OFFSET},
    lookup::{Map, Walk},
    reader::{File, Spiffs},
    volume::{Flash, Partition},
};

/// Sizes tried, as base-2 logarithms, the usual ones first. Blocks go from small to large, since
/// without the length in it, the magic of every block is also found at every other one.
const PAGE_SIZES: [u32; 6] = [8, 9, 10, 11, 12, 7];
const BLOCK_SIZES: [u32; 9] = [10, 11, 12, 13, 14, 15, 16, 17, 18];
/// Files whose page table is looked for before the default lengths are assumed.
const MAX_PROBED_FILES: u32 = 8;
/// A place that was never written.
const ERASED: u16 = 0xFFFF;
/// Table entries that have to lead to the right data page, if the file has that many.
const MAX_PROBED_ENTRIES: u32 = 4;

/// Checks the magics of a volume of known geometry. One may be missing: the C library allows for
/// a power cut during an erasure (`spiffs_obj_lu_scan` of spiffs_nucleus.c, pellepl/spiffs,
/// 0dbb3f7).
fn map<F: ReadNorFlash>(flash: &mut Flash<F>, layout: Layout) -> Result<Map, Error<F::Error>> {
    let mut torn_block = None;
    let mut good = 0;
    for block in 0..layout.block_count {
        let Some(magic) = layout.magic(block) else {
            return Ok(Map {
                layout,
                torn_block: None,
            });
        };
        let found = flash.u16(&layout, layout.magic_address(block))?;
        if found == magic {
            good += 1;
        } else if layout.is_magic_covered() {
            // A full block of a geometry that only the generator knows: its last entry is in the
            // place of the magic.
            good += u32::from(found != ERASED);
        } else if torn_block.replace(block).is_some() {
            return Err(Error::NotSpiffs);
        }
    }
    if good == 0 {
        return Err(Error::NotSpiffs);
    }
    Ok(Map { layout, torn_block })
}

/// Finds the geometry whose magics the volume has, with the default lengths of name and metadata.
fn map_by_magic<F: ReadNorFlash>(flash: &mut Flash<F>) -> Result<Map, Error<F::Error>> {
    let usual = core::iter::once(Geometry::ESP_IDF);
    for geometry in usual.chain(candidates()) {
        let Ok(layout) = Layout::new(geometry, flash.size()) else {
            continue;
        };
        if layout.is_magic_covered() {
            continue;
        }
        match map(flash, layout) {
            // In a volume of two blocks one magic alone is too little to go by.
            Ok(map) if map.torn_block.is_none() || layout.block_count > 2 => return Ok(map),
            Ok(_) | Err(Error::NotSpiffs) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::NotSpiffs)
}

fn candidates() -> impl Iterator<Item = Geometry> {
    let kinds = [
        (Magic::WithLength, Endianness::Little),
        (Magic::Plain, Endianness::Little),
        (Magic::WithLength, Endianness::Big),
        (Magic::Plain, Endianness::Big),
    ];
    kinds.into_iter().flat_map(|(magic, endianness)| {
        PAGE_SIZES.into_iter().flat_map(move |page| {
            BLOCK_SIZES.into_iter().map(move |block| Geometry {
                page_size: 1 << page,
                block_size: 1 << block,
                magic,
                endianness,
                ..Geometry::ESP_IDF
            })
        })
    })
}

impl<F: ReadNorFlash> Spiffs<F> {
    /// Mounts a partition. Without a `geometry` it is found out from the image, which takes a
    /// magic; ESP-IDF's default is tried first.
    ///
    /// # Errors
    ///
    /// [`Error::NotSpiffs`] if the partition does not hold a volume (of this geometry),
    /// [`Error::Geometry`] and [`Error::Partition`] for arguments that cannot be,
    /// [`Error::Flash`].
    pub fn mount(
        flash: F,
        partition: Partition,
        geometry: Option<Geometry>,
    ) -> Result<Self, Error<F::Error>> {
        let mut flash = Flash::new(flash, partition)?;
        let Some(geometry) = geometry else {
            let map = map_by_magic(&mut flash)?;
            let mut volume = Self { flash, map };
            volume.detect_lengths()?;
            return Ok(volume);
        };
        let layout = Layout::new(geometry, flash.size()).map_err(Error::Geometry)?;
        let map = map(&mut flash, layout)?;
        Ok(Self { flash, map })
    }

    /// Finds the lengths of name and metadata by the files there are. Without a file that has
    /// content the lengths do not matter, and stay as they are.
    fn detect_lengths(&mut self) -> Result<(), Error<F::Error>> {
        let mut walk = Walk::new(&self.map);
        let mut probed = 0;
        while probed < MAX_PROBED_FILES
            && let Some(entry) = walk.next(&mut self.flash, &self.map)?
        {
            let Some(header) = self.file_header(entry)? else {
                continue;
            };
            let Ok(info) = header.check(&self.map.layout) else {
                continue;
            };
            if info.size() == 0 {
                continue;
            }
            probed += 1;
            if let Some(geometry) = self.lengths_that_fit(entry.page, &info.into_file())? {
                self.map.layout =
                    Layout::new(geometry, self.flash.size()).map_err(Error::Geometry)?;
                return Ok(());
            }
        }
        Ok(())
    }

    fn lengths_that_fit(
        &mut self,
        header_page: u32,
        file: &File,
    ) -> Result<Option<Geometry>, Error<F::Error>> {
        let geometry = self.map.layout.geometry;
        let defaults =
            [(4, false), (0, false), (4, true), (0, true)].map(|(meta_len, aligned)| Geometry {
                meta_len,
                aligned_index_tables: aligned,
                ..geometry
            });
        let last = geometry.page_size - 2 * ID_LEN;
        let others = (NAME_OFFSET + 1..=last).map(|offset| with_table_at(offset, geometry));
        for candidate in defaults.into_iter().chain(others) {
            if self.table_fits(header_page, candidate.header_table_offset(), file)? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Whether a page table at `offset` of a file's first page leads to the file's data pages.
    fn table_fits(
        &mut self,
        header_page: u32,
        offset: u32,
        file: &File,
    ) -> Result<bool, Error<F::Error>> {
        let layout = self.map.layout;
        let entries = (layout.geometry.page_size - offset) / ID_LEN;
        let probes = layout
            .data_pages(file.size())
            .min(entries)
            .min(MAX_PROBED_ENTRIES);
        for span in 0..probes {
            let address = layout.page_address(header_page) + offset + span * ID_LEN;
            let page = u32::from(self.flash.u16(&layout, address)?);
            if !self.is_data_page(file.object(), span, page)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A geometry whose first page table is at `offset`. How the bytes before it are shared between
/// name and metadata cannot be told; names end with a zero, so a name field that is too long does
/// no harm, and one that is too short might.
fn with_table_at(offset: u32, geometry: Geometry) -> Geometry {
    let lengths = offset - NAME_OFFSET;
    let meta_len = match lengths {
        0..=32 => 0,
        33..=36 => lengths - 32,
        37..=260 => 4,
        _ => lengths - 256,
    };
    Geometry {
        name_len: lengths - meta_len,
        meta_len,
        aligned_index_tables: false,
        ..geometry
    }
}
