//! The flash of one device among many: what all devices have in common is there once.
//!
//! It keeps the rules of NOR flash as [`simulator::flash::Flash`] does, but knows no files and no
//! power cuts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use simulator::flash::{FlashError, SECTOR, WORD};

/// Sectors that are not blank, by number.
type Sectors = BTreeMap<usize, Box<[u8; SECTOR]>>;

/// A flash that several devices begin with.
pub(super) struct Base {
    sectors: Sectors,
    size: usize,
}

impl Base {
    /// Of an image of whole sectors.
    pub(super) fn new(image: &[u8]) -> Rc<Self> {
        let sectors = image.as_chunks::<SECTOR>().0.iter().enumerate();
        let used = sectors.filter(|(_, sector)| sector.iter().any(|&byte| byte != 0xff));
        Rc::new(Self {
            sectors: used
                .map(|(number, sector)| (number, Box::new(*sector)))
                .collect(),
            size: image.len(),
        })
    }
}

/// The flash of one device. Clones are the same chip.
#[derive(Clone)]
pub(super) struct Flash {
    base: Rc<Base>,
    /// The sectors in which it differs.
    own: Rc<RefCell<Sectors>>,
}

const BLANK: &[u8; SECTOR] = &[0xff; SECTOR];

impl Flash {
    /// A flash like `base`, but for `bytes` from `from` on, the start of a sector.
    pub(super) fn new(base: Rc<Base>, from: usize, bytes: &[u8]) -> Self {
        let own = (from / SECTOR..)
            .zip(bytes.as_chunks::<SECTOR>().0)
            .filter(|(number, sector)| {
                let common = base.sectors.get(number);
                *sector != common.map_or(BLANK, |common| common)
            })
            .map(|(number, sector)| (number, Box::new(*sector)))
            .collect();
        Self {
            base,
            own: Rc::new(RefCell::new(own)),
        }
    }

    fn range(&self, from: u32, length: usize, unit: usize) -> Result<usize, FlashError> {
        let from = from as usize;
        if !from.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::NotAligned);
        }
        match from.checked_add(length) {
            Some(end) if end <= self.base.size => Ok(from),
            _ => Err(FlashError::OutOfBounds),
        }
    }

    /// Calls `visit` with each part of a sector within the range, and where it belongs in it.
    fn each(&self, from: usize, length: usize, mut visit: impl FnMut(&[u8], usize)) {
        let own = self.own.borrow();
        let mut done = 0;
        while done < length {
            let (number, within) = ((from + done) / SECTOR, (from + done) % SECTOR);
            let part = (SECTOR - within).min(length - done);
            let sector = own.get(&number).or_else(|| self.base.sectors.get(&number));
            let sector = sector.map_or(BLANK, |sector| sector);
            visit(&sector[within..within + part], done);
            done += part;
        }
    }
}

/// Why an operation failed.
#[derive(Debug)]
pub(super) struct Fault(FlashError);

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        self.0.kind()
    }
}

impl ErrorType for Flash {
    type Error = Fault;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let from = self.range(offset, bytes.len(), WORD).map_err(Fault)?;
        self.each(from, bytes.len(), |part, at| {
            bytes[at..at + part.len()].copy_from_slice(part);
        });
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.base.size
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        let length = to.checked_sub(from).ok_or(Fault(FlashError::OutOfBounds))? as usize;
        let from = self.range(from, length, SECTOR).map_err(Fault)?;
        let mut own = self.own.borrow_mut();
        for number in from / SECTOR..(from + length) / SECTOR {
            // As it was at first, it takes no memory.
            match self.base.sectors.contains_key(&number) {
                true => own.insert(number, Box::new(*BLANK)),
                false => own.remove(&number),
            };
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let from = self.range(offset, bytes.len(), WORD).map_err(Fault)?;
        let mut sets_bits = false;
        self.each(from, bytes.len(), |present, at| {
            let new = &bytes[at..at + present.len()];
            sets_bits |= new.iter().zip(present).any(|(new, old)| new & !old != 0);
        });
        if sets_bits {
            return Err(Fault(FlashError::NotErased));
        }
        for (place, &byte) in (from..).zip(bytes) {
            let (number, within) = (place / SECTOR, place % SECTOR);
            let mut own = self.own.borrow_mut();
            let sector = own.entry(number).or_insert_with(|| {
                let common = self.base.sectors.get(&number);
                common.cloned().unwrap_or_else(|| Box::new(*BLANK))
            });
            sector[within] = byte;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flash: &mut Flash, offset: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        flash.read(offset, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn devices_share_what_none_of_them_changed() {
        let mut image = vec![0xff; 4 * SECTOR];
        image[SECTOR] = 1;
        let base = Base::new(&image);
        assert_eq!(base.sectors.len(), 1, "blank sectors take no memory");

        let mut own = vec![0xff; 2 * SECTOR];
        own[SECTOR] = 7;
        let mut one = Flash::new(base.clone(), 2 * SECTOR, &own);
        let mut other = Flash::new(base, 0, &[]);
        assert_eq!(one.own.borrow().len(), 1);
        assert_eq!(read(&mut one, 3 * SECTOR as u32, 4), [7, 255, 255, 255]);

        one.write(SECTOR as u32 - 4, &[0; 8]).unwrap();
        assert_eq!(
            read(&mut one, SECTOR as u32 - 8, 16),
            [
                255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255
            ]
        );
        assert_eq!(read(&mut other, SECTOR as u32, 4), [1, 255, 255, 255]);
        assert!(other.own.borrow().is_empty());
    }

    #[test]
    fn it_keeps_the_rules_of_nor_flash() {
        let mut flash = Flash::new(Base::new(&[0xff; 2 * SECTOR]), 0, &[]);
        flash.write(4, &[0x0f; 4]).unwrap();
        let kind = |outcome: Result<(), Fault>| outcome.unwrap_err().0;
        assert_eq!(kind(flash.write(4, &[0x1f; 4])), FlashError::NotErased);
        assert_eq!(kind(flash.write(2, &[0; 4])), FlashError::NotAligned);
        assert_eq!(kind(flash.erase(8192, 4096)), FlashError::OutOfBounds);
        assert_eq!(kind(flash.write(8192, &[0; 4])), FlashError::OutOfBounds);
        flash.erase(0, SECTOR as u32).unwrap();
        assert!(flash.own.borrow().is_empty(), "blank as at first");
        flash.write(4, &[0x1f; 4]).unwrap();
    }
}
