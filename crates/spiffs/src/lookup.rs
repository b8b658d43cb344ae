//! The walk through the lookup tables: which pages are in use, and by which object.
//!
//! Every block starts with a table of one `u16` for each of its other pages. A walk visits each
//! entry at most once, so it ends whatever the bytes are.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::{
    error::Error,
    geometry::{ID_LEN, Layout},
    page::{ID_DELETED, ID_FREE},
    volume::Flash,
};

/// Entries read from flash at once. Divides every possible number of entries of a lookup page.
const CHUNK: usize = 32;

/// A page and what the lookup table says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) page: u32,
    /// The object id, with the index flag for index pages, or one of [`ID_FREE`], [`ID_DELETED`].
    pub(crate) id: u16,
}

/// What has to be known of a volume to walk it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    pub(crate) layout: Layout,
    /// The block whose erasure was cut short: nothing in it counts.
    pub(crate) torn_block: Option<u32>,
}

impl Map {
    /// Whether a page can hold data or an index: within the volume, no lookup page, in no torn
    /// block.
    pub(crate) fn is_usable(&self, page: u32) -> bool {
        self.layout.entry_of_page(page).is_some()
            && self.torn_block != Some(page / self.layout.pages_per_block)
    }
}

/// A walk over all lookup entries, from any of them on and around the end.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    next: u32,
    left: u32,
    chunk: [u8; CHUNK * ID_LEN as usize],
    /// The first entry in `chunk`, and how many there are.
    chunk_start: u32,
    chunk_len: u32,
}

impl Walk {
    pub(crate) fn new(map: &Map) -> Self {
        Self::from(map, 0)
    }

    /// A walk that starts at the entry after that of `page`. A page with no entry means the first.
    pub(crate) fn after(map: &Map, page: u32) -> Self {
        let entry = map.layout.entry_of_page(page).map_or(0, |entry| entry + 1);
        Self::from(map, entry % map.layout.entry_count())
    }

    fn from(map: &Map, next: u32) -> Self {
        Self {
            next,
            left: map.layout.entry_count(),
            chunk: [0; CHUNK * ID_LEN as usize],
            chunk_start: 0,
            chunk_len: 0,
        }
    }

    /// Ends the walk where it is.
    pub(crate) fn stop(&mut self) {
        self.left = 0;
    }

    /// The next page in use, or `None` when every entry was visited.
    pub(crate) fn next<F: ReadNorFlash>(
        &mut self,
        flash: &mut Flash<F>,
        map: &Map,
    ) -> Result<Option<Entry>, Error<F::Error>> {
        while let Some(entry) = self.next_any(flash, map)? {
            if entry.id != ID_FREE && entry.id != ID_DELETED {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The next page, in use or not. The pages of a torn block are passed over.
    pub(crate) fn next_any<F: ReadNorFlash>(
        &mut self,
        flash: &mut Flash<F>,
        map: &Map,
    ) -> Result<Option<Entry>, Error<F::Error>> {
        let layout = &map.layout;
        while self.left > 0 {
            let entry = self.next;
            let block = entry / layout.entries_per_block;
            let slot = entry % layout.entries_per_block;
            if map.torn_block == Some(block) {
                self.advance(layout, (layout.entries_per_block - slot).min(self.left));
                continue;
            }
            let mut id = self.id(flash, layout, entry)?;
            self.advance(layout, 1);
            if slot == layout.magic_slot() && layout.magic(block) == Some(id) {
                id = ID_FREE;
            }
            return Ok(Some(Entry {
                page: layout.page_of_entry(entry),
                id,
            }));
        }
        Ok(None)
    }

    fn advance(&mut self, layout: &Layout, count: u32) {
        self.left -= count;
        self.next += count;
        if self.next >= layout.entry_count() {
            self.next = 0;
        }
    }

    fn id<F: ReadNorFlash>(
        &mut self,
        flash: &mut Flash<F>,
        layout: &Layout,
        entry: u32,
    ) -> Result<u16, Error<F::Error>> {
        let in_chunk = entry.wrapping_sub(self.chunk_start);
        let index = if in_chunk < self.chunk_len {
            in_chunk
        } else {
            let slot = entry % layout.entries_per_block;
            let len = (layout.entries_per_block - slot).min(CHUNK as u32);
            // A failed read must not leave half a chunk that passes for a whole one.
            self.chunk_len = 0;
            let bytes = &mut self.chunk[..(len * ID_LEN) as usize];
            flash.read(layout.entry_address(entry), bytes)?;
            (self.chunk_start, self.chunk_len) = (entry, len);
            0
        };
        let at = (index * ID_LEN) as usize;
        Ok(layout
            .geometry
            .endianness
            .u16([self.chunk[at], self.chunk[at + 1]]))
    }
}
