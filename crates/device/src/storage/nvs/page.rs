//! One page: a sector of flash with a header, two bits for each entry, and the entries.
//!
//! (components/nvs_flash/src/nvs_page.hpp, ESP-IDF v5.4.1)

use embedded_storage::nor_flash::NorFlash;
use esp_nvs::platform::software_crc32;
use zeroize::Zeroizing;

use super::entry::{self, Entry};
use crate::storage::StorageError;

/// The bytes of a page.
pub(super) const SIZE: u32 = 4096;
/// The entries of a page.
pub(super) const ENTRIES: usize = 126;

const STATES: u32 = 32;
const FIRST: u32 = 64;
/// The format that ESP-IDF has had since v3.3.
const VERSION: u8 = 0xfe;

/// How far a page is in its life. Each step clears a bit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Entries are added.
    Active,
    /// None fit any more.
    Full,
    /// What is left of them is being moved.
    Freeing,
    /// All of them were: the page holds nothing, should the power fail while it is erased.
    Moved,
}

impl Phase {
    pub(super) const fn word(self) -> u32 {
        match self {
            Self::Active => 0xffff_fffe,
            Self::Full => 0xffff_fffc,
            Self::Freeing => 0xffff_fff8,
            // ESP-IDF calls it corrupt, and erases such a page before it is used again. Bits that
            // an erasure raises early do not make another phase of it.
            Self::Moved => 0,
        }
    }
}

/// A page's header. Pages are in order of their numbers; later entries replace earlier ones.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) phase: Phase,
    pub(super) number: u32,
}

/// The state of an entry, as its two bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Empty = 0b11,
    Written = 0b10,
    Erased = 0b00,
}

/// The states of a page's entries.
#[derive(Clone)]
pub(super) struct States([u8; 32]);

impl States {
    /// Of a page without entries.
    pub(super) const NONE: Self = Self([0xff; 32]);

    /// Two bits that mean nothing are taken for erased.
    pub(super) fn of(&self, index: usize) -> State {
        match self.0[index / 4] >> (index % 4 * 2) & 0b11 {
            0b11 => State::Empty,
            0b10 => State::Written,
            _ => State::Erased,
        }
    }

    fn set(&mut self, index: usize, state: State) {
        let shift = index % 4 * 2;
        self.0[index / 4] &= !(0b11 << shift) | (state as u8) << shift;
    }

    pub(super) fn written(&self, from: usize, span: usize) -> bool {
        from + span <= ENTRIES && (from..from + span).all(|index| self.of(index) == State::Written)
    }
}

/// A page of a flash, at an address.
pub(super) struct Page<'a, F> {
    pub(super) flash: &'a mut F,
    pub(super) at: u32,
}

impl<F: NorFlash> Page<'_, F> {
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), StorageError> {
        self.flash
            .read(self.at + offset, bytes)
            .map_err(|_| StorageError::FlashFailed)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), StorageError> {
        self.flash
            .write(self.at + offset, bytes)
            .map_err(|_| StorageError::FlashFailed)
    }

    /// None if it has none, or none that makes sense: then the page holds nothing.
    ///
    /// # Errors
    ///
    /// [`StorageError::NvsUnreadable`] if it is in a format of another time.
    pub(super) fn header(&mut self) -> Result<Option<Header>, StorageError> {
        let mut bytes = [0; 32];
        self.read(0, &mut bytes)?;
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let phases = [Phase::Active, Phase::Full, Phase::Freeing];
        let phase = phases.into_iter().find(|phase| phase.word() == word(0));
        let Some(phase) = phase else {
            return Ok(None);
        };
        if word(28) != software_crc32(u32::MAX, &bytes[4..28]) {
            return Ok(None);
        }
        if bytes[8] != VERSION {
            return Err(StorageError::NvsUnreadable);
        }
        Ok(Some(Header {
            phase,
            number: word(4),
        }))
    }

    /// Makes an empty page of it, to which entries are added.
    pub(super) fn begin(&mut self, number: u32) -> Result<(), StorageError> {
        if !self.is_blank(0, SIZE)? {
            self.erase()?;
        }
        let mut bytes = [0xff; 32];
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        bytes[8] = VERSION;
        let checksum = software_crc32(u32::MAX, &bytes[4..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        // What makes it valid comes last, should the power fail.
        self.write(4, &bytes[4..])?;
        self.advance(Phase::Active)
    }

    /// Goes on to a later phase.
    pub(super) fn advance(&mut self, phase: Phase) -> Result<(), StorageError> {
        self.write(0, &phase.word().to_le_bytes())
    }

    /// Erases a page without a header, if there was one and time spoiled it. Returns whether it did.
    pub(super) fn erase_if_damaged(&mut self) -> Result<bool, StorageError> {
        let mut word = [0; 4];
        self.read(0, &mut word)?;
        let word = u32::from_le_bytes(word);
        // Blank, cut off before it was valid or while it was erased; or moved.
        if [u32::MAX, Phase::Moved.word()].contains(&word) {
            return Ok(false);
        }
        self.erase()?;
        Ok(true)
    }

    /// Makes a page without a header of it.
    pub(super) fn erase(&mut self) -> Result<(), StorageError> {
        self.flash
            .erase(self.at, self.at + SIZE)
            .map_err(|_| StorageError::FlashFailed)
    }

    fn is_blank(&mut self, from: u32, length: u32) -> Result<bool, StorageError> {
        let mut bytes = [0; entry::SIZE];
        for offset in (from..from + length).step_by(bytes.len()) {
            self.read(offset, &mut bytes)?;
            if bytes != [0xff; entry::SIZE] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn states(&mut self) -> Result<States, StorageError> {
        let mut bytes = [0; 32];
        self.read(STATES, &mut bytes)?;
        Ok(States(bytes))
    }

    /// The first entry at or after an index that is whole, with its own index.
    pub(super) fn next(
        &mut self,
        states: &States,
        from: usize,
    ) -> Result<Option<(usize, Entry)>, StorageError> {
        for index in from..ENTRIES {
            if states.of(index) != State::Written {
                continue;
            }
            match self.entry(index)? {
                Some(entry) if states.written(index, entry.span()) => {
                    return Ok(Some((index, entry)));
                }
                // What the power cut off, or time spoiled.
                _ => {}
            }
        }
        Ok(None)
    }

    /// What is at an index, if its checksum is right.
    pub(super) fn entry(&mut self, index: usize) -> Result<Option<Entry>, StorageError> {
        let mut bytes = [0; entry::SIZE];
        self.read(place(index), &mut bytes)?;
        Ok(Entry::parse(bytes))
    }

    /// Reads bytes of the value that follows an entry.
    pub(super) fn value(&mut self, index: usize, value: &mut [u8]) -> Result<(), StorageError> {
        let mut bytes = [0; entry::SIZE];
        for (offset, part) in (1..).zip(value.chunks_mut(entry::SIZE)) {
            self.read(place(index + offset), &mut bytes)?;
            part.copy_from_slice(&bytes[..part.len()]);
        }
        Ok(())
    }

    /// Where the next entries go; [`ENTRIES`] if there is no room for that many.
    pub(super) fn room_for(&mut self, span: usize) -> Result<usize, StorageError> {
        let states = self.states()?;
        let last = (0..ENTRIES).rfind(|&index| states.of(index) != State::Empty);
        let mut from = last.map_or(0, |last| last + 1);
        let mut index = from;
        while index < ENTRIES && index < from + span {
            // What was begun when the power failed; ESP-IDF wants no empty state before others.
            if !self.is_blank(place(index), entry::SIZE as u32)? {
                self.mark(from, index + 1 - from, State::Erased)?;
                from = index + 1;
            }
            index += 1;
        }
        Ok(if from + span <= ENTRIES {
            from
        } else {
            ENTRIES
        })
    }

    /// Erases entries that say they go on where nothing was written yet: what is written there next
    /// would be taken for theirs.
    pub(super) fn erase_claims(&mut self) -> Result<(), StorageError> {
        let states = self.states()?;
        let mut index = 0;
        while index < ENTRIES {
            let written = states.of(index) == State::Written;
            match self.entry(index)?.filter(|_| written) {
                Some(entry) if states.written(index, entry.span()) => index += entry.span(),
                Some(_) => {
                    self.mark(index, 1, State::Erased)?;
                    index += 1;
                }
                None => index += 1,
            }
        }
        Ok(())
    }

    /// Adds an entry and its value. It counts only once the state of its first is written, which
    /// comes last.
    pub(super) fn add(
        &mut self,
        index: usize,
        entry: &Entry,
        value: &[u8],
    ) -> Result<(), StorageError> {
        self.write(place(index), entry.bytes())?;
        for (offset, part) in (1..).zip(value.chunks(entry::SIZE)) {
            let mut bytes = [0xff; entry::SIZE];
            bytes[..part.len()].copy_from_slice(part);
            self.write(place(index + offset), &bytes)?;
        }
        self.mark(index, entry.span(), State::Written)
    }

    /// Changes the states of entries, the first one's last.
    pub(super) fn mark(
        &mut self,
        index: usize,
        span: usize,
        state: State,
    ) -> Result<(), StorageError> {
        let mut states = self.states()?;
        let end = (index + span).min(ENTRIES);
        for index in index..end {
            states.set(index, state);
        }
        // 16 states a word.
        for word in (index / 16..=(end - 1) / 16).rev() {
            let bytes = &states.0[word * 4..word * 4 + 4];
            self.write(STATES + word as u32 * 4, bytes)?;
        }
        Ok(())
    }

    /// Overwrites the bytes of all entries that are erased, unless they are zero already.
    pub(super) fn wipe_erased(&mut self) -> Result<(), StorageError> {
        let states = self.states()?;
        for index in 0..ENTRIES {
            if states.of(index) != State::Erased {
                continue;
            }
            let mut bytes = Zeroizing::new([0xff; entry::SIZE]);
            self.read(place(index), &mut *bytes)?;
            if *bytes != [0; entry::SIZE] {
                self.write(place(index), &[0; entry::SIZE])?;
            }
        }
        Ok(())
    }
}

fn place(index: usize) -> u32 {
    FIRST + (index * entry::SIZE) as u32
}
