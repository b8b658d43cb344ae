//! Looking NVS over, once in a life: what is damaged is told apart from what the power cut off, and
//! makes room. ESP-IDF does so at each start, too (components/nvs_flash/src/nvs_page.cpp,
//! `Page::mLoadEntryTable`, v5.4.1), without telling.

use embedded_storage::nor_flash::NorFlash;

use super::page::{ENTRIES, Phase, State};
use super::walk::Place;
use super::{Nvs, Partition};
use crate::storage::StorageError;

impl<'a, F: NorFlash> Nvs<'a, F> {
    /// Opens it for the first time since the device started. Returns whether something in it was
    /// damaged, which is then gone.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); also [`StorageError::NvsUnreadable`] if its pages are in an order
    /// that nobody leaves behind.
    pub(in crate::storage) fn start(
        flash: &'a mut F,
        partition: Partition,
    ) -> Result<(Self, bool), StorageError> {
        let mut this = Self::over(flash, partition)?;
        if !this.is_in_order()? {
            return Err(StorageError::NvsUnreadable);
        }
        this.finish_move()?;
        let mut damaged = false;
        for number in 0..this.pages {
            damaged |= match this.page(number).header()? {
                Some(_) => this.free_damaged_entries(number)?,
                None => this.page(number).erase_if_damaged()?,
            };
        }
        Ok((this, damaged))
    }

    /// Whether the pages' numbers tell which of two entries is the later: no two are the same, the
    /// page that is written to has the highest.
    pub(super) fn is_in_order(&mut self) -> Result<bool, StorageError> {
        let (mut last, mut told_apart) = (None, 0);
        while let Some((_, header)) =
            self.first_page(|header| last.is_none_or(|last| header.number > last))?
        {
            last = Some(header.number);
            told_apart += 1;
        }
        let active = self.first_page(|header| header.phase == Phase::Active)?;
        let pages = self.pages - self.free_pages()?.1;
        Ok(told_apart == pages && active.is_none_or(|(_, header)| Some(header.number) == last))
    }

    /// Erases what is no entry, and entries whose value is not what they say. Returns whether there
    /// were any but those that the power cut off: of these, places say that they were written and
    /// the one before does not, or an entry goes on where nothing was written.
    fn free_damaged_entries(&mut self, number: u32) -> Result<bool, StorageError> {
        let states = self.page(number).states()?;
        let (mut index, mut damaged, mut cut_off) = (0, false, false);
        while index < ENTRIES {
            if states.of(index) != State::Written {
                cut_off = states.of(index) == State::Empty;
                index += 1;
                continue;
            }
            let place = Place {
                page: number,
                index,
            };
            let mut span = 1;
            match self.page(number).entry(index)? {
                Some(entry) if states.written(index, entry.span()) => {
                    span = entry.span();
                    cut_off = false;
                    if !entry.is_long() || self.long_value((place, entry))?.is_some() {
                        index += span;
                        continue;
                    }
                    damaged = true;
                }
                Some(_) => cut_off = true,
                None => damaged |= !cut_off,
            }
            self.page(number).mark(index, span, State::Erased)?;
            index += span;
        }
        Ok(damaged)
    }
}
