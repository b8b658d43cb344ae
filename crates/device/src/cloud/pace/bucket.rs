//! Buckets of tokens, refilled evenly.

use embassy_time::{Duration, Instant};
use heapless::Vec;
use thingsboard::limits::{RateLimit, Window};

/// Windows of one limit; ThingsBoard's own have at most three.
const MOST_WINDOWS: usize = 4;

/// More than these no device sends; so that nothing below overflows.
const MOST_COUNT: u32 = 100_000_000;
const MOST_SECONDS: u32 = 31 * 86_400;

/// How many of `count` tokens are made use of.
pub(super) const fn kept(count: u32) -> u32 {
    // At least 1 of 1.
    count - count / 10
}

/// The windows of one limit, of which all hold.
#[derive(Default)]
pub(super) struct Buckets(Vec<Bucket, MOST_WINDOWS>);

struct Bucket {
    window: Window,
    /// Tokens at `at`, each of as many parts as the window has milliseconds.
    level: u64,
    at: Instant,
}

impl Buckets {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes over a limit: windows that are there already stay as they are, others begin full.
    pub(super) fn set(&mut self, limit: RateLimit<'_>, now: Instant) {
        let mut buckets = Vec::new();
        for window in limit.windows() {
            let window = Window {
                count: window.count.min(MOST_COUNT),
                seconds: window.seconds.min(MOST_SECONDS),
            };
            let before = self.0.iter().position(|bucket| bucket.window == window);
            let bucket = match before {
                Some(index) => self.0.swap_remove(index),
                None => Bucket::full(window, now),
            };
            if buckets.push(bucket).is_err() {
                log::warn!("more than {MOST_WINDOWS} windows in one limit: the rest is left out");
                break;
            }
        }
        self.0 = buckets;
    }

    /// The windows.
    pub(super) fn windows(&self) -> impl Iterator<Item = Window> {
        self.0.iter().map(|bucket| bucket.window)
    }

    /// How many tokens there are.
    pub(super) fn room(&self, now: Instant) -> u32 {
        let rooms = self.0.iter().map(|bucket| bucket.room(now));
        rooms.min().unwrap_or(u32::MAX)
    }

    /// How many there can be.
    pub(super) fn capacity(&self) -> u32 {
        let capacities = self.0.iter().map(|bucket| kept(bucket.window.count));
        capacities.min().unwrap_or(u32::MAX)
    }

    /// When there will be so many, or as many as there can be.
    pub(super) fn due(&self, count: u32, now: Instant) -> Instant {
        let due = self.0.iter().map(|bucket| bucket.due(count, now));
        due.max().unwrap_or(now)
    }

    /// Takes so many, or what there is.
    pub(super) fn take(&mut self, count: u32, now: Instant) {
        for bucket in &mut self.0 {
            let level = bucket.level(now);
            bucket.level = level.saturating_sub(u64::from(count) * bucket.part());
            bucket.at = now;
        }
    }

    /// Takes all.
    pub(super) fn drain(&mut self, now: Instant) {
        self.take(u32::MAX, now);
    }
}

impl Bucket {
    fn full(window: Window, at: Instant) -> Self {
        let mut bucket = Self {
            window,
            level: 0,
            at,
        };
        bucket.level = bucket.full_level();
        bucket
    }

    /// Into how many parts a token is divided: as many as make whole ones of what a millisecond
    /// brings.
    fn part(&self) -> u64 {
        u64::from(self.window.seconds) * 1_000
    }

    fn full_level(&self) -> u64 {
        u64::from(kept(self.window.count)) * self.part()
    }

    fn level(&self, now: Instant) -> u64 {
        let elapsed_ms = now.saturating_duration_since(self.at).as_millis();
        let brought = elapsed_ms.saturating_mul(kept(self.window.count).into());
        self.level.saturating_add(brought).min(self.full_level())
    }

    fn room(&self, now: Instant) -> u32 {
        (self.level(now) / self.part())
            .try_into()
            .unwrap_or(u32::MAX)
    }

    fn due(&self, count: u32, now: Instant) -> Instant {
        let each_ms = kept(self.window.count);
        let needed = u64::from(count.min(each_ms)) * self.part();
        let missing = needed.saturating_sub(self.level(now));
        now + Duration::from_millis(missing.div_ceil(each_ms.into()))
    }
}
