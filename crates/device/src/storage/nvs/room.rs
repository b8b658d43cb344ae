//! Room for what is written: the pages' turns, and what counts moved from the fullest of waste.
//!
//! What an entry means is no matter here.

use alloc::vec;

use embedded_storage::nor_flash::NorFlash;
use zeroize::Zeroizing;

use super::entry::{self, Entry};
use super::page::{ENTRIES, Phase};
use super::{MOST_BYTES, Nvs};
use crate::storage::StorageError;

impl<F: NorFlash> Nvs<'_, F> {
    /// Adds an entry where there is room, or makes some.
    pub(super) fn add(&mut self, entry: &Entry, value: &[u8]) -> Result<(), StorageError> {
        if value.len() > MOST_BYTES {
            return Err(StorageError::NvsFull);
        }
        // At most: the page that is active, a new one, and one that a moved one left.
        for _ in 0..3 {
            if let Some(number) = self.page_in(Phase::Active)? {
                let mut page = self.page(number);
                page.erase_claims()?;
                let index = page.room_for(entry.span())?;
                if index < ENTRIES {
                    return page.add(index, entry, value);
                }
                page.advance(Phase::Full)?;
            }
            if self.free_pages()?.1 > 1 {
                self.begin_page()?;
            } else {
                self.make_room(entry.span())?;
            }
        }
        Err(StorageError::NvsFull)
    }

    /// Moves the page with the least in it, so that there is room for that many entries.
    fn make_room(&mut self, span: usize) -> Result<(), StorageError> {
        let mut best = None;
        for number in 0..self.pages {
            if self.page(number).header()?.is_some() {
                let lives = self.living(number)?;
                if best.is_none_or(|(least, _)| lives < least) {
                    best = Some((lives, number));
                }
            }
        }
        match best {
            Some((lives, number)) if lives + span <= ENTRIES => {
                // A move that is begun has to come to an end.
                self.next_number()?;
                self.page(number).advance(Phase::Freeing)?;
                self.move_from(number)
            }
            _ => Err(StorageError::NvsFull),
        }
    }

    /// How many entries of a page count.
    fn living(&mut self, number: u32) -> Result<usize, StorageError> {
        let (mut cursor, mut lives) = (self.cursor_at(number)?, 0);
        while let Some((_, entry)) = self.next_of_page(&mut cursor)? {
            if self.is_last(&cursor, &entry)? {
                lives += entry.span();
            }
        }
        Ok(lives)
    }

    /// Moves what counts of a page whose move the power cut off.
    pub(super) fn finish_move(&mut self) -> Result<(), StorageError> {
        if let Some(from) = self.page_in(Phase::Freeing)? {
            // All that the new page has is copies.
            if let Some(to) = self.page_in(Phase::Active)? {
                self.page(to).erase()?;
            }
            self.move_from(from)?;
        }
        Ok(())
    }

    /// Copies what counts of a page to a new one, and erases it.
    pub(super) fn move_from(&mut self, from: u32) -> Result<(), StorageError> {
        let to = self.begin_page()?;
        let mut cursor = self.cursor_at(from)?;
        while let Some((at, entry)) = self.next_of_page(&mut cursor)? {
            if !self.is_last(&cursor, &entry)? {
                continue;
            }
            let mut value = Zeroizing::new(vec![0; (entry.span() - 1) * entry::SIZE]);
            self.page(from).value(at.index, &mut value)?;
            let mut page = self.page(to);
            let index = page.room_for(entry.span())?;
            if index == ENTRIES {
                return Err(StorageError::NvsUnreadable);
            }
            page.add(index, &entry, &value)?;
        }
        self.page(from).advance(Phase::Moved)?;
        self.page(from).erase()
    }

    /// Makes a free page the active one.
    fn begin_page(&mut self) -> Result<u32, StorageError> {
        let (Some(free), _) = self.free_pages()? else {
            return Err(StorageError::NvsFull);
        };
        let number = self.next_number()?;
        self.page(free).begin(number)?;
        Ok(free)
    }

    /// The number of the next page. No flash lasts until there is none.
    fn next_number(&mut self) -> Result<u32, StorageError> {
        let mut next: u64 = 0;
        for page in 0..self.pages {
            if let Some(header) = self.page(page).header()? {
                next = next.max(u64::from(header.number) + 1);
            }
        }
        next.try_into().map_err(|_| StorageError::NvsFull)
    }

    /// The first free page, and how many there are.
    pub(super) fn free_pages(&mut self) -> Result<(Option<u32>, u32), StorageError> {
        let (mut first, mut count) = (None, 0);
        for number in 0..self.pages {
            if self.page(number).header()?.is_none() {
                first = first.or(Some(number));
                count += 1;
            }
        }
        Ok((first, count))
    }
}
