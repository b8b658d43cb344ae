//! How much may be sent, and when: the server's limits, kept to, and the size of batches, found out
//! where nobody tells it.
//!
//! What is known outlives a connection, for the server's account does. It knows no network; time is
//! an argument.
//!
//! # Limits
//!
//! The server's limits are buckets of tokens that are refilled evenly
//! ([`thingsboard::limits`]). Buckets of the same form are kept here, a tenth smaller: what leaves
//! the device evenly may arrive in heaps, and whoever is refused loses the connection. After a
//! restart they begin full, as the server's most likely are.
//!
//! # Batches
//!
//! A server that refuses a batch says nothing but that, and refuses it as a whole. So after each
//! refusal the next batch is half as large, down to one sample, and at last one sample without
//! vitals; if that is refused, too, messages come half as often. What works is kept for the
//! connection; each later one that begins after a good one tries a little more: twice as often, and
//! once that is what it was, half as many again.

mod bucket;
#[cfg(test)]
mod tests;

use embassy_time::{Duration, Instant};
use thingsboard::limits::{SessionLimits, Window};

use crate::event::{KeptLimit, LimitOf};
use bucket::Buckets;

/// More samples than a payload takes.
const MOST_SAMPLES: u16 = 64;
/// What counts to a payload as ThingsBoard limits it: the topic, and what else a packet has.
const AROUND_PAYLOAD: usize = 64;
/// More client attributes than there are.
const MOST_ATTRIBUTES: u32 = 16;
/// Samples for which a message of telemetry has room in any case.
const SAMPLES_OF_A_MESSAGE: u32 = 25;
/// Values of the vitals.
const VITALS: u32 = 7;

/// Between two telemetry messages: a live sample every second is never late.
const PAUSE: Duration = Duration::from_millis(900);
/// The longest pause; a connection is kept alive in any case.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How much may be sent.
pub(super) struct Pace {
    /// Values of a sample that has no vitals.
    readings: u32,
    /// Whether the server told its limits.
    known: bool,
    most_payload: Option<u32>,
    messages: Buckets,
    telemetry_messages: Buckets,
    data_points: Buckets,
    /// The most samples of a batch; 0 is one without its vitals.
    most_samples: u16,
    /// Between two messages of telemetry.
    pause: Duration,
    /// Whether a batch of so many was taken on this connection.
    proven: bool,
    /// The most attributes of a message.
    most_attributes: u32,
}

/// How much one message of telemetry may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Samples.
    pub(super) samples: u16,
    /// Values in all of them.
    pub(super) data_points: u32,
    /// Whether samples go without vitals.
    pub(super) bare: bool,
}

impl Pace {
    /// Nothing is known yet. Samples have so many readings.
    pub(super) const fn new(readings: u32) -> Self {
        Self {
            readings,
            known: false,
            most_payload: None,
            messages: Buckets::new(),
            telemetry_messages: Buckets::new(),
            data_points: Buckets::new(),
            most_samples: MOST_SAMPLES,
            pause: PAUSE,
            proven: false,
            most_attributes: MOST_ATTRIBUTES,
        }
    }

    /// A connection begins.
    pub(super) fn begin(&mut self) {
        if !core::mem::take(&mut self.proven) {
            return;
        }
        if self.pause > PAUSE {
            self.pause = (self.pause / 2).max(PAUSE);
        } else {
            let more = (self.most_samples / 2).max(1);
            self.most_samples = self.most_samples.saturating_add(more).min(MOST_SAMPLES);
        }
    }

    /// Whether the server told its limits, on this connection or one before.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// The server told its limits.
    pub(super) fn learn(&mut self, limits: SessionLimits<'_>, now: Instant) {
        self.known = true;
        self.most_payload = limits.max_payload_size;
        self.messages.set(limits.messages, now);
        self.telemetry_messages.set(limits.telemetry_messages, now);
        self.data_points.set(limits.telemetry_data_points, now);
    }

    /// The largest payload, if it is less than `most`.
    pub(super) fn payload(&self, most: usize) -> usize {
        let told = self
            .most_payload
            .and_then(|size| usize::try_from(size).ok());
        told.map_or(most, |told| told.saturating_sub(AROUND_PAYLOAD).min(most))
    }

    /// When `count` messages may be sent that have no values.
    pub(super) fn messages_due(&self, count: u32, now: Instant) -> Instant {
        self.messages.due(count, now)
    }

    /// So many messages were sent that have no values.
    pub(super) fn sent_messages(&mut self, count: u32, now: Instant) {
        self.messages.take(count, now);
    }

    fn slow_down(&mut self) {
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// How long to pause between two messages of telemetry.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether a server refused what should have been little enough.
    pub(super) fn is_slow(&self) -> bool {
        self.pause > PAUSE
    }

    /// How many client attributes go together at most: each is a data point, too.
    pub(super) fn attributes(&self) -> u32 {
        self.most_attributes.min(self.data_points.capacity()).max(1)
    }

    /// The server refused to take more, with client attributes under way.
    pub(super) fn refused_attributes(&mut self) {
        if self.attributes() == 1 {
            self.slow_down();
        }
        self.most_attributes = (self.attributes() / 2).max(1);
    }

    /// What a message of telemetry may have now.
    pub(super) fn allowance(&self, now: Instant) -> Allowance {
        Allowance {
            samples: self.most_samples.max(1),
            data_points: self.data_points.room(now),
            bare: self.most_samples == 0 || self.data_points.capacity() < self.readings + VITALS,
        }
    }

    /// When a message of telemetry or attributes may be sent that has so many values.
    pub(super) fn telemetry_due(&self, data_points: u32, now: Instant) -> Instant {
        let message = self.telemetry_messages.due(1, now);
        message.max(self.data_points.due(data_points, now))
    }

    /// A message of telemetry or attributes was sent that has so many values.
    pub(super) fn sent_telemetry(&mut self, data_points: u32, now: Instant) {
        self.telemetry_messages.take(1, now);
        self.data_points.take(data_points, now);
    }

    /// The server has taken a batch of so many samples.
    pub(super) fn taken(&mut self, samples: u16) {
        self.proven |= samples >= self.most_samples;
    }

    /// The server refused to take more, with a batch of so many samples under way, or none. Returns
    /// how many the next may have.
    pub(super) fn refused(&mut self, samples: u16, now: Instant) -> u16 {
        self.proven = false;
        for buckets in [
            &mut self.messages,
            &mut self.telemetry_messages,
            &mut self.data_points,
        ] {
            buckets.drain(now);
        }
        if samples > 0 {
            if self.most_samples == 0 {
                self.slow_down();
            }
            self.most_samples = (samples / 2).min(self.most_samples);
        }
        self.most_samples.max(1)
    }

    /// The limit that matters most to whoever takes a sample each `interval_ms` and sends its vitals
    /// each `vitals_s`; none before the server told.
    pub(super) fn kept(&self, interval_ms: u32, vitals_s: u32) -> Option<KeptLimit> {
        if !self.known {
            return None;
        }
        let kept = |of, window: Window, least_ms, late_ms| KeptLimit {
            of,
            count: window.count,
            seconds: window.seconds,
            least_ms,
            late_ms,
            interval_ms,
        };
        let points = self.data_points.windows().map(|window| {
            let least_ms = least_interval_ms(window, self.readings, vitals_s);
            kept(LimitOf::DataPoints, window, least_ms, 0)
        });
        let messages = || {
            self.telemetry_messages.windows().map(|window| {
                let each = u64::from(window.seconds) * 1_000;
                let each = each.div_ceil(bucket::kept(window.count).into());
                let each = each.try_into().unwrap_or(u32::MAX);
                let least_ms = each / SAMPLES_OF_A_MESSAGE;
                kept(LimitOf::TelemetryMessages, window, least_ms, each)
            })
        };
        let strictest = points.chain(messages()).max_by_key(|kept| kept.least_ms);
        // One that costs no samples may still cost time.
        let latest = messages().max_by_key(|kept| kept.late_ms);
        let chosen = match (strictest, latest) {
            (Some(strictest), _) if strictest.costs_samples() => Some(strictest),
            (_, Some(latest)) if latest.costs_time() => Some(latest),
            (strictest, _) => strictest,
        };
        let none = Window {
            count: 0,
            seconds: 0,
        };
        Some(chosen.unwrap_or_else(|| kept(LimitOf::Nothing, none, 0, 0)))
    }
}

/// The shortest interval between samples for which so many data points are enough for ever.
fn least_interval_ms(window: Window, readings: u32, vitals_s: u32) -> u32 {
    let (readings, vitals) = (u64::from(readings), u64::from(VITALS));
    let (kept, seconds) = (
        u64::from(bucket::kept(window.count)),
        u64::from(window.seconds),
    );
    let least = match vitals_s {
        // With each sample.
        0 => ((readings + vitals) * seconds * 1_000).div_ceil(kept),
        vitals_s => {
            let vitals = (vitals * seconds).div_ceil(vitals_s.into());
            match kept.checked_sub(vitals) {
                None | Some(0) => ((readings + vitals) * seconds * 1_000).div_ceil(kept),
                Some(left) => (readings * seconds * 1_000).div_ceil(left),
            }
        }
    };
    least.try_into().unwrap_or(u32::MAX)
}
