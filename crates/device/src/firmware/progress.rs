//! A download under way: which chunks were asked for.
//!
//! What is in its place is known to flash alone; here is only what this connection waits for.

use embassy_time::{Duration, Instant};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use thingsboard::RequestId;
use update::download::Download;
use update::{Fault, SECTOR};

use super::Package;

/// How many chunks are under way: at a round trip of 50 ms four bring 1 MB in some 3 s, and the network's
/// buffers hold no more.
const WINDOW: usize = 4;

/// How long to wait for chunks.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many times in a row to wait in vain.
const TRIES: u8 = 5;

/// The fewest bytes to ask for at once: the first ones tell what the package is
/// ([`HEAD_LEN`](update::image::HEAD_LEN)).
pub(super) const LEAST_BYTES: u32 = 512;

/// How many bytes to ask for at once: a chunk, or a part of one from a server that sends no more than `most`. None if it
/// sends too few.
pub(super) fn size_within(most: u32) -> Option<u32> {
    let size = 1 << most.min(SECTOR).checked_ilog2()?;
    (size >= LEAST_BYTES).then_some(size)
}

/// Bytes to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The number of the request.
    pub(crate) request: RequestId,
    /// Which, counted in `size`.
    pub(crate) index: u32,
    /// How many, in bytes; the last ones may be fewer.
    pub(crate) size: u32,
}

/// Where bytes that came belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) chunk: u32,
    /// From which of its bytes on.
    pub(super) from: u32,
    /// How many were asked for.
    pub(super) len: u32,
}

pub(super) struct Fetching {
    pub(super) download: Download,
    pub(super) package: Package,
    /// The number of the requests: the server keeps to one package and one size for it.
    pub(super) request: RequestId,
    /// How many bytes to ask for at once: a chunk or a part of one ([`size_within`]).
    size: u32,
    /// How many bytes of the chunk `next` are there, where it comes in parts: one part at a time.
    within: u32,
    /// All before were asked for, or are there.
    next: u32,
    under_way: Vec<u32, WINDOW>,
    heard: Instant,
    silent: u8,
    /// A chunk came by this number.
    any: bool,
}

impl Fetching {
    pub(super) fn new(download: Download, package: Package, request: RequestId, size: u32) -> Self {
        Self {
            download,
            package,
            request,
            size,
            within: 0,
            next: 0,
            under_way: Vec::new(),
            heard: Instant::now(),
            silent: 0,
            any: false,
        }
    }

    /// From the first chunk on.
    pub(super) fn begin_again(&mut self) {
        self.next = 0;
        self.within = 0;
        self.under_way.clear();
    }

    pub(super) fn due(&self) -> Instant {
        match self.under_way.is_empty() {
            true => Instant::MAX,
            false => self.heard + PATIENCE,
        }
    }

    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        now >= self.due()
    }

    /// Nothing came: asks again, by another number; too often is an error.
    pub(super) fn ask_again(&mut self, request: RequestId) -> Result<(), ()> {
        self.silent += 1;
        self.request = request;
        self.begin_again();
        if self.silent < TRIES { Ok(()) } else { Err(()) }
    }

    /// Asks for fewer bytes at once, by another number.
    pub(super) fn ask_for_less(&mut self, request: RequestId, size: u32) {
        self.request = request;
        self.size = size;
        self.begin_again();
    }

    /// What to ask for next, while other chunks are under way.
    pub(super) fn find_next<F: NorFlash>(
        &mut self,
        flash: &mut F,
    ) -> Result<Option<Ask>, Fault<F::Error>> {
        // The first one alone: a server that has none ends the connection, and with more on their way
        // the reason would be lost.
        let has_room = match self.any && self.size == SECTOR {
            true => !self.under_way.is_full(),
            false => self.under_way.is_empty(),
        };
        if !has_room {
            return Ok(None);
        }
        let chunk = self.download.missing(flash, self.next)?;
        self.next = chunk.unwrap_or_else(|| self.download.chunks());
        Ok(chunk.map(|chunk| Ask {
            request: self.request,
            index: (chunk * SECTOR + self.within) / self.size,
            size: self.size,
        }))
    }

    /// What was found next was asked for.
    pub(super) fn asked(&mut self, now: Instant) {
        if self.under_way.is_empty() {
            self.heard = now;
        }
        // There is room: `find_next`.
        let _ = self.under_way.push(self.next);
        self.next += 1;
    }

    /// Bytes came; none if nobody asked for them.
    pub(super) fn came(&mut self, request: RequestId, index: u32, now: Instant) -> Option<Came> {
        let at = index.checked_mul(self.size)?;
        let (chunk, from) = (at / SECTOR, at % SECTOR);
        let at = self.under_way.iter().position(|&of| of == chunk);
        let at = at.filter(|_| request == self.request && from == self.within)?;
        self.under_way.swap_remove(at);
        self.heard = now;
        self.silent = 0;
        self.any = true;
        let end = self.download.chunk_len(chunk)?;
        self.within = from + self.size;
        if self.within < end {
            self.next = chunk;
        } else {
            self.within = 0;
        }
        Some(Came {
            chunk,
            from,
            len: self.size.min(end - from),
        })
    }

    /// Whether all chunks are there.
    pub(super) fn is_done<F: NorFlash>(&self, flash: &mut F) -> Result<bool, Fault<F::Error>> {
        if !self.under_way.is_empty() {
            return Ok(false);
        }
        if self.download.missing(flash, self.next)?.is_some() {
            return Ok(false);
        }
        Ok(self.download.missing(flash, 0)?.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::{SECTOR, size_within};

    #[test]
    fn a_request_is_for_a_chunk_or_a_whole_part_of_one() {
        let sizes = [
            (u32::MAX, Some(SECTOR)),
            (65_536, Some(SECTOR)),
            (4_096, Some(4_096)),
            (4_095, Some(2_048)),
            (1_500, Some(1_024)),
            (512, Some(512)),
            (511, None),
            (1, None),
            (0, None),
        ];
        for (most, size) in sizes {
            assert_eq!(size_within(most), size, "{most}");
        }
    }
}
