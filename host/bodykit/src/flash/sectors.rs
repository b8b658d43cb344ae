//! What a flash holds: sectors over an image that several flashes begin with.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::SECTOR;

/// Sectors by number.
type Sectors = BTreeMap<usize, Box<[u8; SECTOR]>>;

const BLANK: &[u8; SECTOR] = &[0xff; SECTOR];

/// What flashes begin with. It is there once, however many they are, and blank sectors take no memory.
pub struct Image {
    sectors: Sectors,
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
        let (sectors, rest) = bytes.as_chunks::<SECTOR>();
        assert!(
            rest.is_empty() && !sectors.is_empty(),
            "a flash has whole sectors"
        );
        let used = (0..).zip(sectors).filter(|(_, sector)| *sector != BLANK);
        Rc::new(Self {
            sectors: used
                .map(|(number, sector)| (number, Box::new(*sector)))
                .collect(),
            size: bytes.len(),
        })
    }
}

/// The sectors of one flash.
pub(super) struct Contents {
    image: Rc<Image>,
    /// Those in which it differs.
    own: Sectors,
}

impl Contents {
    pub(super) fn of(image: Rc<Image>) -> Self {
        Self {
            image,
            own: Sectors::new(),
        }
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.image.size
    }

    /// A sector by its number.
    fn sector(&self, number: usize) -> &[u8; SECTOR] {
        let sector = self.own.get(&number);
        sector
            .or_else(|| self.image.sectors.get(&number))
            .map_or(BLANK, |sector| sector)
    }

    /// A sector to be changed.
    pub(super) fn sector_mut(&mut self, number: usize) -> &mut [u8; SECTOR] {
        self.own.entry(number).or_insert_with(|| {
            let begun = self.image.sectors.get(&number);
            begun.cloned().unwrap_or_else(|| Box::new(*BLANK))
        })
    }

    /// Makes a sector blank; one that was blank at first takes no memory.
    pub(super) fn blank(&mut self, number: usize) {
        match self.image.sectors.contains_key(&number) {
            true => *self.sector_mut(number) = *BLANK,
            false => drop(self.own.remove(&number)),
        }
    }

    /// Calls `visit` with what lies in the range, part by part, and where each belongs in it.
    pub(super) fn each(&self, from: usize, length: usize, mut visit: impl FnMut(&[u8], usize)) {
        let mut done = 0;
        while done < length {
            let (number, within) = ((from + done) / SECTOR, (from + done) % SECTOR);
            let part = (SECTOR - within).min(length - done);
            visit(&self.sector(number)[within..within + part], done);
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
            let (number, within) = ((from + done) / SECTOR, (from + done) % SECTOR);
            let part = (SECTOR - within).min(bytes.len() - done);
            let new = &bytes[done..done + part];
            if self.sector(number)[within..within + part] != *new {
                self.sector_mut(number)[within..within + part].copy_from_slice(new);
            }
            done += part;
        }
    }

    /// How many sectors it has for itself.
    #[cfg(test)]
    pub(super) fn own(&self) -> usize {
        self.own.len()
    }
}
