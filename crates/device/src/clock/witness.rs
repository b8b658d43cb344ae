//! The server's own clock as a witness: when it is asked, and how far its word reaches.
//!
//! Its word comes over TLS from a server that has proved itself, which is more than a time server does, whose
//! datagrams anybody on the way can write. But the certificate was judged before, by a clock that may have been
//! wrong: who has the key of a certificate that has expired, and the time servers as well, can have it be valid
//! again, and confirm that time. What he cannot go below is what is certainly past.
//!
//! Not every server tells the time. One that does not is asked once in a connection and once a day, and nothing
//! comes of it.

use core::cell::Cell;

use embassy_time::{Duration, Instant};

/// How long an answer may take. A rule chain that is not there answers after a minute that it is not
/// (`transport.client_side_rpc.timeout`).
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the server is asked while a connection lasts, and how old its word may be when another begins.
const EVERY: Duration = Duration::from_secs(86_400);
/// How old its word may get. Who has stopped to tell the time does not contradict for ever.
const LASTS: Duration = Duration::from_secs(2 * 86_400);
/// The least time between two questions; no answer to the first can come then that would be taken for the other's.
const PAUSE: Duration = Duration::from_secs(600);

/// By how much server and time server may differ beside the time that the answer took: a second by which one of
/// them smears a leap second, and what a computer's clock loses in a day in which it was not set (50 ppm).
const GIVE_MS: u64 = 5_000;
/// By which part of the time since then the device's own clock may have gone wrong: 100 ppm, more than a crystal's
/// tolerance and its temperature make.
const DRIFT: u64 = 10_000;

/// What the server said.
#[derive(Clone, Copy)]
struct Word {
    /// When the device was started by it, in milliseconds since 1970 UTC.
    boot_unix_ms: u64,
    /// When it said so.
    at: Instant,
    /// How far it may have been off, in milliseconds.
    give_ms: u64,
}

/// The account of questions and answers.
pub(super) struct Witness {
    due: Cell<Instant>,
    asked: Cell<Option<Instant>>,
    word: Cell<Option<Word>>,
    /// Whether it was told that it contradicts the time servers.
    told: Cell<bool>,
}

impl Witness {
    /// Nothing was asked yet.
    pub(super) fn new() -> Self {
        Self {
            due: Cell::new(Instant::MIN),
            asked: Cell::new(None),
            word: Cell::new(None),
            told: Cell::new(false),
        }
    }

    /// Another connection begins, in which nothing was asked yet.
    pub(super) fn begin(&self) {
        self.asked.set(None);
        let word = self.word.get();
        if word.is_none_or(|word| word.at.elapsed() >= EVERY) {
            self.due.set(Instant::MIN);
        }
    }

    /// From when on it is to be asked.
    pub(super) fn due(&self) -> Instant {
        self.due.get()
    }

    /// It is going to be asked, once there is room.
    pub(super) fn put_off(&self) {
        self.due.set(Instant::now() + EVERY);
    }

    /// It was asked just now.
    pub(super) fn ask(&self) {
        self.asked.set(Some(Instant::now()));
    }

    /// It says `unix_ms`. Returns what it says that it is now and how far that may be off,
    /// in milliseconds; none if nobody asked, or so long ago that it tells nothing.
    pub(super) fn answer(&self, unix_ms: u64) -> Option<(u64, u64)> {
        let took = self.asked.take()?.elapsed();
        if took > PATIENCE {
            return None;
        }
        // It was taken somewhere on the way.
        let half_ms = took.as_millis() / 2;
        Some((unix_ms.saturating_add(half_ms), GIVE_MS + half_ms))
    }

    /// It is believed that the device was started then.
    pub(super) fn hear(&self, boot_unix_ms: u64, give_ms: u64) {
        self.word.set(Some(Word {
            boot_unix_ms,
            at: Instant::now(),
            give_ms,
        }));
    }

    /// By how many milliseconds somebody contradicts the server who says that the device was started then; none if
    /// the server said nothing, or not lately.
    pub(super) fn contradiction(&self, boot_unix_ms: u64) -> Option<u64> {
        let word = self.word()?;
        let off_ms = boot_unix_ms.abs_diff(word.boot_unix_ms);
        let give_ms = word.give_ms + word.at.elapsed().as_millis() / DRIFT;
        (off_ms > give_ms).then_some(off_ms)
    }

    /// Whether the server said lately that the device was started about then.
    pub(super) fn confirms(&self, boot_unix_ms: u64) -> bool {
        self.word().is_some() && self.contradiction(boot_unix_ms).is_none()
    }

    /// There is a contradiction, or none any more: the server is asked again, whose clock may have been set
    /// meanwhile. Whether this is to be told.
    pub(super) fn note(&self, contradicted: bool) -> bool {
        if contradicted && let Some(word) = self.word.get() {
            self.due.set(self.due.get().min(word.at + PAUSE));
        }
        !self.told.replace(contradicted) && contradicted
    }

    /// What it said counts no more.
    pub(super) fn forget(&self) {
        self.word.set(None);
    }

    fn word(&self) -> Option<Word> {
        self.word.get().filter(|word| word.at.elapsed() < LASTS)
    }
}
