//! What a flash holds: pages over an image that several flashes begin with.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{SECTOR, WORD};

/// Bytes that are kept together: a device changes little of a sector, and there may be thousands of devices.
const PAGE: usize = 256;

/// Pages by number.
type Pages = BTreeMap<usize, Box<[u8; PAGE]>>;

const BLANK: &[u8; PAGE] = &[0xff; PAGE];

/// What flashes begin with. It is there once, however many they are, and blank pages take no memory.
pub struct Image {
    pages: Pages,
    size: usize,
}

impl Image {
    /// Of whole sectors.
    ///
    /// # Panics
    ///
    /// If the length is not a multiple of [`SECTOR`], or there is none.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Rc<Self> {
        assert!(
            bytes.len().is_multiple_of(SECTOR) && !bytes.is_empty(),
            "a flash has whole sectors"
        );
        let (pages, _) = bytes.as_chunks::<PAGE>();
        let used = (0..).zip(pages).filter(|(_, page)| *page != BLANK);
        Rc::new(Self {
            pages: used
                .map(|(number, page)| (number, Box::new(*page)))
                .collect(),
            size: bytes.len(),
        })
    }
}

/// The pages of one flash.
pub(super) struct Contents {
    image: Rc<Image>,
    /// Those in which it differs.
    own: Pages,
}

impl Contents {
    pub(super) fn of(image: Rc<Image>) -> Self {
        Self {
            image,
            own: Pages::new(),
        }
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.image.size
    }

    /// A page by its number.
    fn page(&self, number: usize) -> &[u8; PAGE] {
        let page = self.own.get(&number);
        page.or_else(|| self.image.pages.get(&number))
            .map_or(BLANK, |page| page)
    }

    /// A page to be changed.
    fn page_mut(&mut self, number: usize) -> &mut [u8; PAGE] {
        self.own.entry(number).or_insert_with(|| {
            let begun = self.image.pages.get(&number);
            begun.cloned().unwrap_or_else(|| Box::new(*BLANK))
        })
    }

    /// A word to be changed.
    ///
    /// # Panics
    ///
    /// If it is not aligned.
    pub(super) fn word_mut(&mut self, at: usize) -> &mut [u8; WORD] {
        let (words, _) = self.page_mut(at / PAGE).as_chunks_mut();
        assert!(at.is_multiple_of(WORD), "{at:#x} begins no word");
        &mut words[at % PAGE / WORD]
    }

    /// Makes a sector blank; what of it was blank at first takes no memory.
    pub(super) fn blank(&mut self, sector: usize) {
        const PAGES: usize = SECTOR / PAGE;
        for number in sector * PAGES..(sector + 1) * PAGES {
            match self.image.pages.contains_key(&number) {
                true => *self.page_mut(number) = *BLANK,
                false => drop(self.own.remove(&number)),
            }
        }
    }

    /// Calls `visit` with what lies in the range, part by part, and where each belongs in it.
    pub(super) fn each(&self, from: usize, length: usize, mut visit: impl FnMut(&[u8], usize)) {
        let mut done = 0;
        while done < length {
            let (number, within) = ((from + done) / PAGE, (from + done) % PAGE);
            let part = (PAGE - within).min(length - done);
            visit(&self.page(number)[within..within + part], done);
            done += part;
        }
    }

    /// Copies what lies there.
    pub(super) fn read(&self, from: usize, bytes: &mut [u8]) {
        self.each(from, bytes.len(), |part, at| {
            bytes[at..at + part.len()].copy_from_slice(part);
        });
    }

    /// Puts this there, whatever was there before. What is as it was at first takes no memory.
    pub(super) fn put(&mut self, from: usize, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (number, within) = ((from + done) / PAGE, (from + done) % PAGE);
            let part = (PAGE - within).min(bytes.len() - done);
            let new = &bytes[done..done + part];
            if self.page(number)[within..within + part] != *new {
                self.page_mut(number)[within..within + part].copy_from_slice(new);
            }
            done += part;
        }
    }

    /// How many pages it has for itself.
    #[cfg(test)]
    pub(super) fn own(&self) -> usize {
        self.own.len()
    }
}
