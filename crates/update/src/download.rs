//! Chunks of a package into the slot that does not run.
//!
//! A chunk is a sector of flash: erased, written (in parts, where the server sends no more at once), then marked in `otadata`. So
//! after a power cut at any moment exactly the chunks are asked for that are not in their place, and a
//! sector is erased again only if the power went while it was written. What is in flash is proven once all
//! are there, by reading it, so that it does not matter how often the download was interrupted; only then
//! the entry is written that makes the bootloader start it.

use embedded_storage::nor_flash::NorFlash;
use sha2::{Digest, Sha256};

use crate::check::{Board, Refusal};
use crate::checksum::Checksum;
use crate::key::{PublicKey, Verifier};
use crate::otadata::{Entry, State, next_sequence};
use crate::package::{Package, Reader};
use crate::slots::{Fault, Places, SECTOR, Slot, erase, read, write};
use crate::tail::{Header, MOST_CHUNKS, Tail};
use crate::trial::Limits;

/// What the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Title of the package.
    pub title: &'a str,
    /// Version of the package.
    pub version: &'a str,
    /// Its bytes.
    pub len: u32,
    /// Its checksum.
    pub checksum: Checksum,
}

impl Offer<'_> {
    /// Which package it is: the same for the same, and for no other.
    fn identity(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for text in [self.title, self.version, self.checksum.algorithm().name()] {
            hash.update((text.len() as u32).to_le_bytes());
            hash.update(text);
        }
        hash.update(self.len.to_le_bytes());
        hash.update(self.checksum.bytes());
        hash.finalize().into()
    }
}

/// What there is to do about an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Chunks to fetch, or all there and to be proven.
    Fetch(Download),
    /// It was installed, tried and kept.
    Runs,
    /// It was installed and tried, and the old image came back: not again.
    GivenUp,
}

/// A download under way. It knows where things are; what is done is known to flash alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    tail: Tail,
    slot: Slot,
    index: usize,
    selected: Option<Entry>,
    len: u32,
    identity: [u8; 32],
    checksum: Checksum,
}

/// A download that is the maker's and for this board.
#[derive(Clone, Debug)]
pub struct Proven {
    download: Download,
    package: Package,
}

impl Download {
    /// Begins with an offer, or goes on with it if it was begun before. What was begun for another package
    /// is forgotten. `running` is the slot that runs; the chunks go into the other one.
    ///
    /// # Errors
    ///
    /// [`Fault::OnTrial`]; [`Refusal::TooLarge`]; [`Fault::TooManyChunks`]; [`Fault::Flash`].
    pub fn begin<F: NorFlash>(
        flash: &mut F,
        places: &Places,
        running: usize,
        offer: &Offer<'_>,
    ) -> Result<Begun, Fault<F::Error>> {
        let selected = places.selected(flash)?;
        if let Some((sector, entry)) = selected
            && matches!(entry.state, State::NEW | State::PENDING)
            && !Tail(places.sector(sector)).is_accepted(flash)?
        {
            return Err(Fault::OnTrial);
        }
        let index = if running == 0 { 1 } else { 0 };
        let slot = places.slots[index];
        if offer.len > slot.len {
            return Err(Fault::Refused(Refusal::TooLarge {
                len: offer.len,
                slot_len: slot.len,
            }));
        }
        if offer.len.div_ceil(SECTOR) > MOST_CHUNKS {
            return Err(Fault::TooManyChunks);
        }
        // Where both entries are blank the bootloader writes the first one.
        let spare = selected.map_or(1, |(sector, _)| 1 - sector);
        let download = Self {
            tail: Tail(places.sector(spare)),
            slot,
            index,
            selected: selected.map(|(_, entry)| entry),
            len: offer.len,
            identity: offer.identity(),
            checksum: offer.checksum,
        };
        if download.tail.header(flash)? != Some(download.header()) {
            download.start_over(flash)?;
        } else if download.tail.is_accepted(flash)? {
            return Ok(Begun::Runs);
        } else if download.tail.is_given_up(flash)? {
            return Ok(Begun::GivenUp);
        }
        Ok(Begun::Fetch(download))
    }

    fn header(&self) -> Header {
        Header {
            identity: self.identity,
            len: self.len,
        }
    }

    /// Forgets what was fetched: it was damaged.
    ///
    /// # Errors
    ///
    /// [`Fault::Flash`].
    pub fn start_over<F: NorFlash>(&self, flash: &mut F) -> Result<(), Fault<F::Error>> {
        self.tail.begin(flash, self.header())
    }

    /// Bytes of the package.
    #[expect(clippy::len_without_is_empty)] // none is empty
    pub fn len(&self) -> u32 {
        self.len
    }

    /// How many chunks the package has.
    pub fn chunks(&self) -> u32 {
        self.len.div_ceil(SECTOR)
    }

    /// How many bytes a chunk has; none behind the last.
    pub fn chunk_len(&self, chunk: u32) -> Option<u32> {
        let start = chunk.checked_mul(SECTOR).filter(|&at| at < self.len)?;
        Some(SECTOR.min(self.len - start))
    }

    /// The first chunk from `from` on that is not in its place.
    ///
    /// # Errors
    ///
    /// [`Fault::Flash`].
    pub fn missing<F: NorFlash>(
        &self,
        flash: &mut F,
        from: u32,
    ) -> Result<Option<u32>, Fault<F::Error>> {
        for chunk in from..self.chunks() {
            if !self.tail.has_chunk(flash, chunk)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Puts a chunk into its place; false if it is there already. The first one is looked at before
    /// anything is erased for it: a package that this board would not take is not fetched.
    ///
    /// # Errors
    ///
    /// [`Fault::WrongChunk`]; [`Fault::Refused`]; [`Fault::Flash`].
    pub fn store<F: NorFlash>(
        &self,
        flash: &mut F,
        board: &Board<'_>,
        chunk: u32,
        bytes: &[u8],
    ) -> Result<bool, Fault<F::Error>> {
        if self.chunk_len(chunk) != Some(bytes.len() as u32) {
            return Err(Fault::WrongChunk);
        }
        self.store_part(flash, board, chunk, 0, bytes)
    }

    /// The same with a part of a chunk, for a server that sends no whole one: the bytes from `from` on, of which
    /// those before are there, stored since the device started. A part is whole words, but for the last one. The
    /// first part erases, and the last one marks the chunk: so what a power cut left half done is asked for anew.
    ///
    /// # Errors
    ///
    /// [`Fault::WrongChunk`]; [`Fault::Refused`], also if the first part has fewer than
    /// [`HEAD_LEN`](crate::image::HEAD_LEN) bytes; [`Fault::Flash`].
    pub fn store_part<F: NorFlash>(
        &self,
        flash: &mut F,
        board: &Board<'_>,
        chunk: u32,
        from: u32,
        bytes: &[u8],
    ) -> Result<bool, Fault<F::Error>> {
        let len = self.chunk_len(chunk).ok_or(Fault::WrongChunk)?;
        let end = from.saturating_add(bytes.len() as u32);
        if bytes.is_empty() || end > len || !from.is_multiple_of(4) {
            return Err(Fault::WrongChunk);
        }
        if end < len && !end.is_multiple_of(4) {
            return Err(Fault::WrongChunk);
        }
        if self.tail.has_chunk(flash, chunk)? {
            return Ok(false);
        }
        if (chunk, from) == (0, 0) {
            board.check_first(bytes, self.len)?;
        }
        let at = self.slot.offset + chunk * SECTOR + from;
        if from == 0 {
            erase(flash, at)?;
        }
        let (words, rest) = bytes.split_at(bytes.len() - bytes.len() % 4);
        write(flash, at, words)?;
        if !rest.is_empty() {
            let mut word = [0xFF; 4];
            word[..rest.len()].copy_from_slice(rest);
            write(flash, at + words.len() as u32, &word)?;
        }
        if end == len {
            self.tail.mark_chunk(flash, chunk)?;
        }
        Ok(true)
    }

    /// Reads the whole package out of the slot, and proves it.
    ///
    /// # Errors
    ///
    /// [`Fault::Missing`]; [`Fault::Refused`]; [`Fault::Flash`].
    pub fn prove<F: NorFlash>(
        &self,
        flash: &mut F,
        board: &Board<'_>,
        keys: &[PublicKey],
        verifier: &impl Verifier,
    ) -> Result<Proven, Fault<F::Error>> {
        if self.missing(flash, 0)?.is_some() {
            return Err(Fault::Missing);
        }
        let mut reader = Reader::new(self.len, self.checksum.algorithm())?;
        let mut buffer = [0; 512];
        // Whole words; what is more than the package is passed over.
        for at in (0..self.len).step_by(buffer.len()) {
            read(flash, self.slot.offset + at, &mut buffer)?;
            reader.take(&buffer);
        }
        let package = reader
            .finish()?
            .prove(Some(&self.checksum), keys, verifier)?;
        package.check(board)?;
        Ok(Proven {
            download: *self,
            package,
        })
    }
}

impl Proven {
    /// The package.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// Makes the bootloader start it, on trial within these limits, from the next restart on.
    ///
    /// # Errors
    ///
    /// [`Fault::NoSequence`]; [`Fault::Flash`].
    pub fn install<F: NorFlash>(
        self,
        flash: &mut F,
        limits: Limits,
    ) -> Result<(), Fault<F::Error>> {
        let Self { download, .. } = self;
        let sequence = next_sequence(download.selected, download.index, 2);
        let entry = sequence.and_then(|sequence| Entry::new(sequence, State::NEW));
        let entry = entry.ok_or(Fault::NoSequence)?;
        download.tail.set_limits(flash, limits.to_bytes())?;
        // Over a torn one of the same numbers, too: the last word makes it whole.
        write(flash, download.tail.0, &entry.to_bytes())
    }
}
