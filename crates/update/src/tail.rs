//! What is kept behind the bootloader's entry in a sector of `otadata`.
//!
//! ```text
//!    0  the entry, blank while chunks are fetched
//!   32  magic "upd1"          76  CRC-32 of the 44 bytes before
//!   36  length of the package 80  accepted: the image got online
//!   40  which package, 32     84  given up: it did not
//!   72  zeros                 88  what the trial allows: starts, 0x54, minutes
//!                             96  a word for each start of the image, 8
//!                            128  a word for each chunk, 992
//! ```
//!
//! Each word but that of the trial is blank, or was written once with zeros. One that a power cut tore is neither: as a chunk
//! it is not there yet, as a verdict it is not given yet, and as a start it counts, for there was one.

use embedded_storage::nor_flash::NorFlash;

use crate::checksum::crc32;
use crate::slots::{Fault, SECTOR, erase, read, write};
use crate::word;

const HEADER: u32 = 32;
const HEADER_LEN: usize = 48;
const MAGIC: [u8; 4] = *b"upd1";
const ACCEPTED: u32 = 80;
const GIVEN_UP: u32 = 84;
const LIMITS: u32 = 88;
const STARTS: u32 = 96;
const CHUNKS: u32 = 128;

/// How many starts can be counted.
pub(crate) const MOST_STARTS: u8 = 8;
/// How many chunks a package can have.
pub(crate) const MOST_CHUNKS: u32 = (SECTOR - CHUNKS) / 4;

/// Which package, and how long it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: [u8; 32],
    pub(crate) len: u32,
}

impl Header {
    fn read(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let header = Self {
            identity: *bytes[8..].first_chunk()?,
            len: word(bytes, 4),
        };
        (*bytes == header.to_bytes()).then_some(header)
    }

    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..40].copy_from_slice(&self.identity);
        let crc = !crc32(u32::MAX, &bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// The sector at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail(pub(crate) u32);

impl Tail {
    pub(crate) fn header<F: NorFlash>(
        self,
        flash: &mut F,
    ) -> Result<Option<Header>, Fault<F::Error>> {
        let mut bytes = [0; HEADER_LEN];
        read(flash, self.0 + HEADER, &mut bytes)?;
        Ok(Header::read(&bytes))
    }

    /// Erases the sector, and what it knew, for this package.
    pub(crate) fn begin<F: NorFlash>(
        self,
        flash: &mut F,
        header: Header,
    ) -> Result<(), Fault<F::Error>> {
        erase(flash, self.0)?;
        write(flash, self.0 + HEADER, &header.to_bytes())
    }

    pub(crate) fn is_accepted<F: NorFlash>(self, flash: &mut F) -> Result<bool, Fault<F::Error>> {
        Ok(self.word(flash, ACCEPTED)? == 0)
    }

    pub(crate) fn accept<F: NorFlash>(self, flash: &mut F) -> Result<(), Fault<F::Error>> {
        self.mark(flash, ACCEPTED)
    }

    pub(crate) fn is_given_up<F: NorFlash>(self, flash: &mut F) -> Result<bool, Fault<F::Error>> {
        Ok(self.word(flash, GIVEN_UP)? == 0)
    }

    pub(crate) fn give_up<F: NorFlash>(self, flash: &mut F) -> Result<(), Fault<F::Error>> {
        self.mark(flash, GIVEN_UP)
    }

    /// The word that says what the trial allows; all ones if nobody said.
    pub(crate) fn limits<F: NorFlash>(self, flash: &mut F) -> Result<[u8; 4], Fault<F::Error>> {
        self.word(flash, LIMITS).map(u32::to_le_bytes)
    }

    /// Says it. What was said before an interrupted installation stays, for flash is not written twice.
    pub(crate) fn set_limits<F: NorFlash>(
        self,
        flash: &mut F,
        limits: [u8; 4],
    ) -> Result<(), Fault<F::Error>> {
        match self.word(flash, LIMITS)? {
            u32::MAX => write(flash, self.0 + LIMITS, &limits),
            _ => Ok(()),
        }
    }

    /// How many starts were counted.
    pub(crate) fn starts<F: NorFlash>(self, flash: &mut F) -> Result<u8, Fault<F::Error>> {
        for start in 0..MOST_STARTS {
            if self.word(flash, STARTS + 4 * u32::from(start))? == u32::MAX {
                return Ok(start);
            }
        }
        Ok(MOST_STARTS)
    }

    /// Counts one more; `starts` were counted before.
    pub(crate) fn count<F: NorFlash>(
        self,
        flash: &mut F,
        starts: u8,
    ) -> Result<(), Fault<F::Error>> {
        self.mark(flash, STARTS + 4 * u32::from(starts.min(MOST_STARTS - 1)))
    }

    pub(crate) fn has_chunk<F: NorFlash>(
        self,
        flash: &mut F,
        chunk: u32,
    ) -> Result<bool, Fault<F::Error>> {
        Ok(self.word(flash, CHUNKS + 4 * chunk)? == 0)
    }

    pub(crate) fn mark_chunk<F: NorFlash>(
        self,
        flash: &mut F,
        chunk: u32,
    ) -> Result<(), Fault<F::Error>> {
        self.mark(flash, CHUNKS + 4 * chunk)
    }

    fn word<F: NorFlash>(self, flash: &mut F, at: u32) -> Result<u32, Fault<F::Error>> {
        let mut bytes = [0; 4];
        read(flash, self.0 + at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn mark<F: NorFlash>(self, flash: &mut F, at: u32) -> Result<(), Fault<F::Error>> {
        write(flash, self.0 + at, &[0; 4])
    }
}
