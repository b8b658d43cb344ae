//! Going through the entries of all pages, the oldest first.
//!
//! Only reads; entries that are damaged are passed over by the [page](super::page).

use embedded_storage::nor_flash::NorFlash;

use super::Nvs;
use super::entry::Entry;
use super::page::{ENTRIES, Header, Phase, States};
use crate::storage::StorageError;

/// Where an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) page: u32,
    pub(super) index: usize,
}

/// How far one has got in going through the entries.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) page: u32,
    /// The number in the page's header.
    pub(super) number: Option<u32>,
    pub(super) states: States,
    pub(super) index: usize,
}

impl Cursor {
    pub(super) const START: Self = Self {
        page: 0,
        number: None,
        states: States::NONE,
        index: ENTRIES,
    };
}

impl<F: NorFlash> Nvs<'_, F> {
    /// Whether no entry after a cursor stands for this one.
    pub(super) fn is_last(&mut self, from: &Cursor, entry: &Entry) -> Result<bool, StorageError> {
        let mut cursor = from.clone();
        while let Some((_, other)) = self.next(&mut cursor)? {
            if other.replaces(entry) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The last entry that is right.
    pub(super) fn find(
        &mut self,
        is_right: impl Fn(&Entry) -> bool,
    ) -> Result<Option<(Place, Entry)>, StorageError> {
        let (mut cursor, mut found) = (Cursor::START, None);
        while let Some((place, entry)) = self.next(&mut cursor)? {
            if is_right(&entry) {
                found = Some((place, entry));
            }
        }
        Ok(found)
    }

    /// The next entry, the oldest first.
    pub(super) fn next(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<Option<(Place, Entry)>, StorageError> {
        loop {
            if let Some(found) = self.next_of_page(cursor)? {
                return Ok(Some(found));
            }
            let after = |header: &Header| cursor.number.is_none_or(|last| header.number > last);
            let Some((page, _)) = self.first_page(after)? else {
                return Ok(None);
            };
            *cursor = self.cursor_at(page)?;
        }
    }

    /// The next entry of the same page.
    pub(super) fn next_of_page(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<Option<(Place, Entry)>, StorageError> {
        if cursor.index >= ENTRIES {
            return Ok(None);
        }
        let number = cursor.page;
        let found = self.page(number).next(&cursor.states, cursor.index)?;
        cursor.index = found
            .as_ref()
            .map_or(ENTRIES, |(index, entry)| index + entry.span());
        Ok(found.map(|(index, entry)| {
            (
                Place {
                    page: number,
                    index,
                },
                entry,
            )
        }))
    }

    pub(super) fn cursor_at(&mut self, number: u32) -> Result<Cursor, StorageError> {
        let mut page = self.page(number);
        let header = page.header()?;
        Ok(Cursor {
            page: number,
            number: header.map(|header| header.number),
            states: page.states()?,
            index: 0,
        })
    }

    /// The page with the lowest number of those that are right.
    pub(super) fn first_page(
        &mut self,
        is_right: impl Fn(&Header) -> bool,
    ) -> Result<Option<(u32, Header)>, StorageError> {
        let mut first: Option<(u32, Header)> = None;
        for number in 0..self.pages {
            if let Some(header) = self.page(number).header()?
                && is_right(&header)
                && first.is_none_or(|(_, first)| header.number < first.number)
            {
                first = Some((number, header));
            }
        }
        Ok(first)
    }

    /// A page in this phase; there is at most one that is active, and one whose content is moved.
    pub(super) fn page_in(&mut self, phase: Phase) -> Result<Option<u32>, StorageError> {
        let found = self.first_page(|header| header.phase == phase)?;
        Ok(found.map(|(number, _)| number))
    }
}
