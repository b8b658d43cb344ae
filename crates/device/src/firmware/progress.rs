//! A download under way: which chunks were asked for.
//!
//! What is in its place is known to flash alone; here is only what this connection waits for.

use embassy_time::{Duration, Instant};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use thingsboard::RequestId;
use update::Fault;
use update::download::Download;

use super::Package;

/// How many chunks are under way: at a round trip of 50 ms four bring 1 MB in some 3 s, and the network's
/// buffers hold no more.
const WINDOW: usize = 4;

/// How long to wait for chunks.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many times in a row to wait in vain.
const TRIES: u8 = 5;

pub(super) struct Fetching {
    pub(super) download: Download,
    pub(super) package: Package,
    /// The number of the requests: the server keeps to one package for it.
    pub(super) request: RequestId,
    /// All before were asked for, or are there.
    next: u32,
    under_way: Vec<u32, WINDOW>,
    heard: Instant,
    silent: u8,
    /// A chunk came by this number.
    any: bool,
}

impl Fetching {
    pub(super) fn new(download: Download, package: Package, request: RequestId) -> Self {
        Self {
            download,
            package,
            request,
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

    /// The next chunk to ask for, while others are under way.
    pub(super) fn find_next<F: NorFlash>(
        &mut self,
        flash: &mut F,
    ) -> Result<Option<u32>, Fault<F::Error>> {
        // The first one alone: a server that has none ends the connection, and with more on their way
        // the reason would be lost.
        let has_room = match self.any {
            true => !self.under_way.is_full(),
            false => self.under_way.is_empty(),
        };
        if !has_room {
            return Ok(None);
        }
        let chunk = self.download.missing(flash, self.next)?;
        self.next = chunk.unwrap_or_else(|| self.download.chunks());
        Ok(chunk)
    }

    pub(super) fn asked(&mut self, chunk: u32, now: Instant) {
        if self.under_way.is_empty() {
            self.heard = now;
        }
        // There is room: `find_next`.
        let _ = self.under_way.push(chunk);
        self.next = chunk + 1;
    }

    /// A chunk came; false if nobody asked for it.
    pub(super) fn came(&mut self, request: RequestId, chunk: u32, now: Instant) -> bool {
        let at = self.under_way.iter().position(|&of| of == chunk);
        let Some(at) = at.filter(|_| request == self.request) else {
            return false;
        };
        self.under_way.swap_remove(at);
        self.heard = now;
        self.silent = 0;
        self.any = true;
        true
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
