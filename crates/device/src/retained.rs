//! What outlives a restart, but not a loss of power: the last panic until it is reported, and how
//! many lives in a row ended in a crash, from which the pause before the next one grows.
//!
//! A body brings [`Memory`] that no start code clears, calls [`begin`] before it powers anything
//! up (or [`Beginning::count`], where nothing can be waited for yet), and [`panicked`] from its
//! panic handler. Memory may hold anything after power-on:
//!
//! ```text
//! offset   0   magic
//!          4   CRC-32 of all that follows
//!          8   lives in a row that ended in a crash
//!          9   flags: 1 there is a panic, 2 it ended the life before this one
//!         10   how many callers, how long the message, how long the place: one byte each
//!         13   which run of the power this is, at random, 24 bits; 0 if nobody asked
//!         16   callers: eight addresses, 32-bit little-endian
//!         48   message, UTF-8
//!        176   place, UTF-8
//!        248   which build it was
//! ```

mod end;

use core::fmt::{self, Display, Write};

use embassy_time::{Duration, Timer};
use esp_nvs::platform::software_crc32;
use heapless::{String, Vec};

use crate::clock::Clock;
use crate::event::{Event, Observer};
use crate::machine::{BuildId, ResetReason};

pub use end::{PanicBody, panicked};

/// How much memory is needed, in bytes.
pub const BYTES: usize = 256;

/// The longest pause before a life.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Of this layout: another has another magic.
const MAGIC: [u8; 4] = *b"LIV2";
const CRC: core::ops::Range<usize> = 4..8;
const CRASHES: usize = 8;
const FLAGS: usize = 9;
const LENGTHS: core::ops::Range<usize> = 10..13;
const RUN: core::ops::Range<usize> = 13..16;
const CALLERS: usize = 16;
const MESSAGE: usize = 48;
const PLACE: usize = 176;
const BUILD: usize = 248;

const MOST_CALLERS: usize = 8;
const MOST_MESSAGE: usize = PLACE - MESSAGE;
const MOST_PLACE: usize = BUILD - PLACE;

const THERE_IS_A_PANIC: u8 = 1;
const IT_IS_NEW: u8 = 2;

/// Memory that keeps its content through a restart.
pub trait Memory {
    /// All of it; anything after power-on.
    fn read(&self) -> [u8; BYTES];

    /// Overwrites all of it.
    fn write(&self, bytes: &[u8; BYTES]);
}

/// A panic, as it is reported once the device is online again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PanicRecord {
    /// What it said, cut where it is too long.
    pub message: String<MOST_MESSAGE>,
    /// File, line and column; its end, where it is too long.
    pub place: String<MOST_PLACE>,
    /// Addresses of the callers, the innermost first; to be looked up in the ELF file.
    pub callers: Vec<u32, MOST_CALLERS>,
    /// Which build it was: after an update, or one that was taken back, not the one that reports it.
    pub build: BuildId,
}

impl PanicRecord {
    /// A record of what a panic handler knows; what does not fit is cut.
    #[must_use]
    pub fn new(
        message: impl Display,
        place: impl Display,
        callers: impl IntoIterator<Item = u32>,
        build: BuildId,
    ) -> Self {
        let mut head = Head(String::new());
        let mut tail = Tail(String::new());
        // Neither fails.
        let _ = write!(head, "{message}");
        let _ = write!(tail, "{place}");
        Self {
            message: head.0,
            place: tail.0,
            callers: callers.into_iter().take(MOST_CALLERS).collect(),
            build,
        }
    }

    /// The callers as text: hexadecimal, a blank between two.
    #[must_use]
    pub fn backtrace(&self) -> String<88> {
        let mut text = String::new();
        for (index, caller) in self.callers.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            // Eight of eleven bytes fit.
            let _ = write!(text, "{blank}{caller:#010x}");
        }
        text
    }
}

/// Text whose end is cut off, where it is too long.
struct Head(String<MOST_MESSAGE>);

/// Text whose beginning is cut off.
struct Tail(String<MOST_PLACE>);

impl Write for Tail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            while self.0.push(character).is_err() {
                self.0.remove(0);
            }
        }
        Ok(())
    }
}

impl Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// The content of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Retained {
    crashes: u8,
    run: u32,
    panic: Option<PanicRecord>,
    /// Whether the panic ended the life before this one.
    new: bool,
}

impl Retained {
    /// What was encoded; nothing if this is something else.
    fn decode(bytes: &[u8; BYTES]) -> Self {
        Self::parse(bytes).unwrap_or_default()
    }

    fn parse(bytes: &[u8; BYTES]) -> Option<Self> {
        let (head, body) = bytes.split_at(CRASHES);
        let sum = u32::from_le_bytes(head.get(CRC)?.try_into().ok()?);
        if !head.starts_with(&MAGIC) || sum != software_crc32(0, body) {
            return None;
        }
        let flags = bytes[FLAGS];
        let [callers, message, place] = bytes.get(LENGTHS)?.try_into().ok()?;
        let text = |from: usize, length: u8| {
            core::str::from_utf8(bytes.get(from..from + usize::from(length))?).ok()
        };
        let panic = if flags & THERE_IS_A_PANIC == 0 {
            None
        } else {
            let addresses = bytes.get(CALLERS..MESSAGE)?.chunks_exact(4);
            Some(PanicRecord {
                message: String::try_from(text(MESSAGE, message)?).ok()?,
                place: String::try_from(text(PLACE, place)?).ok()?,
                callers: addresses
                    .take(callers.into())
                    .filter_map(|address| Some(u32::from_le_bytes(address.try_into().ok()?)))
                    .collect(),
                build: BuildId(bytes.get(BUILD..)?.try_into().ok()?),
            })
        };
        let [low, middle, high] = bytes.get(RUN)?.try_into().ok()?;
        Some(Self {
            crashes: bytes[CRASHES],
            run: u32::from_le_bytes([low, middle, high, 0]),
            new: panic.is_some() && flags & IT_IS_NEW != 0,
            panic,
        })
    }

    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[CRASHES] = self.crashes;
        bytes[RUN].copy_from_slice(&self.run.to_le_bytes()[..3]);
        if let Some(PanicRecord {
            message,
            place,
            callers,
            build,
        }) = &self.panic
        {
            bytes[FLAGS] = THERE_IS_A_PANIC | if self.new { IT_IS_NEW } else { 0 };
            // All three are bounded by what an array of fewer than 256 bytes holds.
            bytes[LENGTHS].copy_from_slice(&[
                callers.len() as u8,
                message.len() as u8,
                place.len() as u8,
            ]);
            for (slot, caller) in bytes[CALLERS..MESSAGE].chunks_exact_mut(4).zip(callers) {
                slot.copy_from_slice(&caller.to_le_bytes());
            }
            bytes[MESSAGE..][..message.len()].copy_from_slice(message.as_bytes());
            bytes[PLACE..][..place.len()].copy_from_slice(place.as_bytes());
            bytes[BUILD..].copy_from_slice(&build.0);
        }
        bytes[..4].copy_from_slice(&MAGIC);
        let sum = software_crc32(0, &bytes[CRASHES..]);
        bytes[CRC].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn change(memory: &dyn Memory, change: impl FnOnce(&mut Self)) {
        let mut retained = Self::decode(&memory.read());
        change(&mut retained);
        memory.write(&retained.encode());
    }
}

/// Keeps a panic for the next life. For a panic handler: neither waits nor allocates.
pub fn note_panic(memory: &dyn Memory, panic: PanicRecord) {
    Retained::change(memory, |retained| {
        retained.panic = Some(panic);
        retained.new = true;
    });
}

/// The last panic that nobody has heard of yet.
#[must_use]
pub fn panic(memory: &dyn Memory) -> Option<PanicRecord> {
    Retained::decode(&memory.read()).panic
}

/// Forgets the panic: it has been reported.
pub fn forget_panic(memory: &dyn Memory) {
    Retained::change(memory, |retained| retained.panic = None);
}

/// Which run of the power this is: the same as long as the memory keeps its content. Takes a random
/// number for when it is a new one.
#[must_use]
pub fn run(memory: &dyn Memory, random: u32) -> u32 {
    let known = Retained::decode(&memory.read()).run;
    if known != 0 {
        return known;
    }
    let run = (random & 0xff_ffff).max(1);
    Retained::change(memory, |retained| retained.run = run);
    run
}

/// The present life has lasted: what comes after it comes without a pause.
pub fn settle(memory: &dyn Memory) {
    Retained::change(memory, |retained| retained.crashes = 0);
}

/// How a life begins, after what became of the lives before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// Why the device really started: a panic restarts it like software does.
    pub cause: ResetReason,
    /// How long to wait before anything is powered up.
    pub pause: Duration,
    crashes: u8,
}

impl Beginning {
    /// Counts the life that begins; `reset` is what the chip says. The first thing in a life, for
    /// whatever panics before is not counted, and may come again without a pause.
    #[must_use]
    pub fn count(memory: &dyn Memory, reset: ResetReason) -> Self {
        let mut cause = reset;
        let mut crashes = 0;
        Retained::change(memory, |retained| {
            if core::mem::take(&mut retained.new) && reset == ResetReason::Software {
                cause = ResetReason::Panic;
            }
            retained.crashes = if is_crash(cause) {
                retained.crashes.saturating_add(1)
            } else {
                0
            };
            crashes = retained.crashes;
        });
        Self {
            cause,
            pause: pause_after(crashes),
            crashes,
        }
    }

    /// What to tell before the pause; nothing if there is none.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        (self.pause > Duration::from_ticks(0)).then_some(Event::BootPaused {
            crashes: self.crashes,
            ms: self.pause.as_millis() as u32,
        })
    }
}

/// Counts the life that begins, as [`Beginning::count`] does, and pauses if the lives before it
/// ended in crashes. Returns why the device really started.
///
/// Should the pause be dropped, it counts as done.
pub async fn begin(
    memory: &dyn Memory,
    reset: ResetReason,
    observer: &impl Observer,
) -> ResetReason {
    let clock = Clock::boot();
    let beginning = Beginning::count(memory, reset);
    if let Some(event) = beginning.event() {
        observer.notice(clock.uptime_ms(), &event);
        Timer::after(beginning.pause).await;
    }
    beginning.cause
}

/// Whether a life that follows this reset comes after a crash, rather than after somebody's wish.
fn is_crash(reset: ResetReason) -> bool {
    match reset {
        ResetReason::Panic | ResetReason::Watchdog | ResetReason::Brownout => true,
        ResetReason::PowerOn
        | ResetReason::Software
        | ResetReason::DeepSleep
        | ResetReason::Other => false,
    }
}

/// The pause after so many crashes in a row: none after the first, then a second, doubled each
/// time, up to [`LONGEST_PAUSE`].
#[must_use]
pub fn pause_after(crashes: u8) -> Duration {
    match crashes.checked_sub(2) {
        None => Duration::from_ticks(0),
        Some(doublings) => {
            let seconds = 1u64.checked_shl(doublings.into()).unwrap_or(u64::MAX);
            Duration::from_secs(seconds.min(LONGEST_PAUSE.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests;
