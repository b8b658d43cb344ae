//! Where slots and `otadata` lie, and what can go wrong with them.

use core::fmt;

use embedded_storage::nor_flash::NorFlash;

use crate::check::Refusal;
use crate::image::{HEAD_LEN, Head};
use crate::otadata::{self, ENTRY_LEN, Entry};

/// Bytes of a chunk, and what flash erases together. All chips have it so.
pub const SECTOR: u32 = 4096;

/// A slot for an app, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Address of its first byte.
    pub offset: u32,
    /// Length.
    pub len: u32,
}

/// Where things lie, by the partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// `otadata`, two sectors.
    pub otadata: u32,
    /// `ota_0` and `ota_1`.
    pub slots: [Slot; 2],
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault<E> {
    /// The flash does not do what it must: replace the board if that stays so.
    Flash(E),
    /// The package is not to be taken.
    Refused(Refusal),
    /// Another image is on trial: nothing is fetched into the slot that would come back.
    OnTrial,
    /// More chunks than there is room to remember.
    TooManyChunks,
    /// Not the bytes that were asked for.
    WrongChunk,
    /// Some chunks are missing.
    Missing,
    /// The numbers of `otadata` are at their end, or it tells a slot that there is not.
    NoSequence,
}

impl<E> From<Refusal> for Fault<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flash(_) => "the flash fails: replace the board if that comes again",
            Self::Refused(refusal) => return refusal.fmt(f),
            Self::OnTrial => {
                "the running firmware is on trial: wait until it is accepted or given up, and assign \
                 again"
            }
            Self::TooManyChunks => "it is longer than this device can keep account of: make it smaller",
            Self::WrongChunk => {
                "the server sent other bytes than were asked for: assign the package again"
            }
            Self::Missing => "not all chunks are there: a fault of this device, report it",
            Self::NoSequence => {
                "otadata cannot tell the slot: write it anew, with `esptb flash` or ESP-IDF's otatool.py"
            }
        })
    }
}

impl Places {
    /// Address of an entry's sector.
    pub(crate) fn sector(&self, index: usize) -> u32 {
        self.otadata + if index == 0 { 0 } else { SECTOR }
    }

    /// What the bootloader goes by: which sector, and its entry.
    ///
    /// # Errors
    ///
    /// [`Fault::Flash`].
    pub fn selected<F: NorFlash>(
        &self,
        flash: &mut F,
    ) -> Result<Option<(usize, Entry)>, Fault<F::Error>> {
        let mut entries = [None; 2];
        for (index, entry) in entries.iter_mut().enumerate() {
            let mut bytes = [0; ENTRY_LEN];
            read(flash, self.sector(index), &mut bytes)?;
            *entry = Entry::read(&bytes);
        }
        Ok(otadata::selected(entries))
    }

    /// Which slot starts, as far as the bootloaders that ship go by `otadata`: they pass over states, and a slot
    /// in which there is no app where the other one has one. For bodies without such a bootloader, whose code is
    /// the same whichever slot it is; a chip knows by its memory map.
    ///
    /// Source: `bootloader_utility_get_selected_boot_partition` and `bootloader_utility_load_boot_image` of
    /// components/bootloader_support/src/bootloader_utility.c (espressif/esp-idf v5.4.1, 4c2820d). They look at
    /// the whole image, and this at its beginning.
    ///
    /// # Errors
    ///
    /// [`Fault::Flash`].
    pub fn starts<F: NorFlash>(&self, flash: &mut F) -> Result<usize, Fault<F::Error>> {
        let selected = self.selected(flash)?;
        let first = selected.map_or(0, |(_, entry)| entry.slot(2));
        let other = 1 - first;
        let mut has_app = |slot: usize| -> Result<bool, Fault<F::Error>> {
            let mut bytes = [0; HEAD_LEN];
            read(flash, self.slots[slot].offset, &mut bytes)?;
            Ok(Head::read(&bytes).is_some())
        };
        let only_the_other = !has_app(first)? && has_app(other)?;
        Ok(if only_the_other { other } else { first })
    }
}

pub(crate) fn read<F: NorFlash>(
    flash: &mut F,
    at: u32,
    bytes: &mut [u8],
) -> Result<(), Fault<F::Error>> {
    flash.read(at, bytes).map_err(Fault::Flash)
}

pub(crate) fn write<F: NorFlash>(
    flash: &mut F,
    at: u32,
    bytes: &[u8],
) -> Result<(), Fault<F::Error>> {
    flash.write(at, bytes).map_err(Fault::Flash)
}

pub(crate) fn erase<F: NorFlash>(flash: &mut F, at: u32) -> Result<(), Fault<F::Error>> {
    const {
        assert!(F::ERASE_SIZE as u32 <= SECTOR && SECTOR.is_multiple_of(F::ERASE_SIZE as u32));
        assert!(F::WRITE_SIZE <= 4 && F::READ_SIZE <= 4);
    }
    flash.erase(at, at + SECTOR).map_err(Fault::Flash)
}
