//! The integrity check: whether every file can be read whole, and what of the flash is in use.
//!
//! SPIFFS has no checksums, so a changed byte inside a data page cannot be noticed. Everything
//! else that the C library's `SPIFFS_check` looks at is looked at here too; nothing is repaired.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::{
    error::{Error, Fault},
    lookup::{Entry, Walk},
    page::{ID_DELETED, ID_FREE, INDEX_FLAG},
    reader::{File, Spiffs},
};

/// Object ids that one walk looks for doubles of: a set on the stack.
const IDS_AT_ONCE: u16 = 1024;

/// What the check found of a volume. Lookup pages, and those of a torn block, are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files, damaged ones included.
    pub files: u32,
    /// Pages that are listed as part of a file.
    pub used_pages: u32,
    /// Pages of deleted files and of old versions, which the C library will collect.
    pub deleted_pages: u32,
    /// Pages never written since their block was erased.
    pub free_pages: u32,
    /// Faults reported.
    pub faults: u32,
}

struct Check<'a, F> {
    volume: &'a mut Spiffs<F>,
    report: &'a mut dyn FnMut(Fault),
    summary: Summary,
    highest_object: u16,
    data_pages: u32,
    data_pages_named: u32,
    /// Index pages but the first of each file, which is the file.
    index_pages: u32,
    index_pages_met: u32,
}

impl<F: ReadNorFlash> Spiffs<F> {
    /// Checks the whole volume and calls `report` for each fault. A volume without faults has all
    /// its files readable to their end.
    ///
    /// The reads that it takes grow with the pages in use; in an image made to be slow, with
    /// their square.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`] only: damage goes to `report`.
    pub fn check(&mut self, mut report: impl FnMut(Fault)) -> Result<Summary, Error<F::Error>> {
        let mut check = Check {
            volume: self,
            report: &mut report,
            summary: Summary::default(),
            highest_object: 0,
            data_pages: 0,
            data_pages_named: 0,
            index_pages: 0,
            index_pages_met: 0,
        };
        if let Some(block) = check.volume.map.torn_block {
            check.fault(Fault::BlockMagic { block });
        }
        check.pages()?;
        for first_object in (0..=check.highest_object).step_by(usize::from(IDS_AT_ONCE)) {
            check.files(first_object)?;
        }
        check.orphans();
        Ok(check.summary)
    }
}

impl<F: ReadNorFlash> Check<'_, F> {
    fn fault(&mut self, fault: Fault) {
        self.summary.faults += 1;
        (self.report)(fault);
    }

    /// Holds every lookup entry against its page's header, and counts.
    fn pages(&mut self) -> Result<(), Error<F::Error>> {
        let map = self.volume.map;
        let mut walk = Walk::new(&map);
        while let Some(Entry { page, id }) = walk.next_any(&mut self.volume.flash, &map)? {
            match id {
                ID_FREE => self.summary.free_pages += 1,
                ID_DELETED => self.summary.deleted_pages += 1,
                _ => self.page_in_use(page, id)?,
            }
        }
        Ok(())
    }

    fn page_in_use(&mut self, page: u32, id: u16) -> Result<(), Error<F::Error>> {
        self.summary.used_pages += 1;
        let header = self
            .volume
            .flash
            .page_header(&self.volume.map.layout, page)?;
        let object = id & !INDEX_FLAG;
        if header.id != id || !(header.is_index() || header.is_data()) {
            self.fault(Fault::LookupMismatch {
                page,
                lookup_id: id,
                header_id: header.id,
            });
        } else if header.is_half_deleted() {
            self.fault(Fault::HalfDeleted { object, page });
        } else if header.is_data() {
            self.data_pages += 1;
        } else if header.span > 0 {
            self.index_pages += 1;
        } else {
            self.highest_object = self.highest_object.max(object);
        }
        Ok(())
    }

    /// Follows the index of each file whose object id is one of the [`IDS_AT_ONCE`] from
    /// `first_object` on.
    fn files(&mut self, first_object: u16) -> Result<(), Error<F::Error>> {
        let map = self.volume.map;
        let mut seen = [0_u32; IDS_AT_ONCE as usize / 32];
        let mut walk = Walk::new(&map);
        while let Some(entry) = walk.next(&mut self.volume.flash, &map)? {
            let bit = (entry.id & !INDEX_FLAG).wrapping_sub(first_object);
            let Some(word) = seen.get_mut(usize::from(bit / 32)) else {
                continue;
            };
            let Some(header) = self.volume.file_header(entry)? else {
                continue;
            };
            self.summary.files += 1;
            let (object, page) = (header.object, header.page);
            if *word & 1 << (bit % 32) != 0 {
                self.fault(Fault::DuplicateObject { object, page });
                continue;
            }
            *word |= 1 << (bit % 32);
            match header.check(&map.layout) {
                Ok(info) => self.follow(info.into_file())?,
                Err(fault) => self.fault(fault),
            }
        }
        Ok(())
    }

    /// Holds every data page that a file's index names against its header.
    fn follow(&mut self, mut file: File) -> Result<(), Error<F::Error>> {
        let layout = self.volume.map.layout;
        let data_pages = layout.data_pages(file.size());
        for index_span in 0..layout.index_pages(data_pages) {
            match self.volume.seek_index(&mut file, index_span) {
                Ok(()) => self.index_pages_met += index_span.min(1),
                Err(Error::Corrupt(fault)) => {
                    self.fault(fault);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let (first, count) = layout.table_range(index_span);
            for span in first..(first + count).min(data_pages) {
                match self.volume.data_page(&mut file, span) {
                    Ok(_) => self.data_pages_named += 1,
                    Err(Error::Corrupt(fault)) => self.fault(fault),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn orphans(&mut self) {
        let index_pages = self.index_pages.saturating_sub(self.index_pages_met);
        if index_pages > 0 {
            self.fault(Fault::OrphanIndexPages(index_pages));
        }
        let data_pages = self.data_pages.saturating_sub(self.data_pages_named);
        if data_pages > 0 {
            self.fault(Fault::OrphanDataPages(data_pages));
        }
    }
}
