//! What is counted of a fleet, in each worker and over all of them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Times in microseconds, with three digits.
pub(super) struct Times(Histogram<u64>);

/// The longest that is told from a longer one: ten minutes.
const MOST_US: u64 = 600_000_000;

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MOST_US, 3).expect("bounds that the library takes"))
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(MOST_US);
        self.0.saturating_record(us);
    }

    /// Takes what was recorded out, as pairs of microseconds and how often.
    pub(super) fn take(&mut self) -> Vec<(u64, u64)> {
        let recorded = self.0.iter_recorded();
        let pairs = recorded
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        self.0.reset();
        pairs
    }

    pub(super) fn add(&mut self, pairs: &[(u64, u64)]) {
        for &(us, times) in pairs {
            self.0.saturating_record_n(us, times);
        }
    }

    /// The middle, the slow and the slowest, if anything was recorded.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.0.is_empty()).then(|| Percentiles {
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p99_ms: at(0.99),
            max_ms: self.0.max() as f64 / 1_000.0,
        })
    }
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of all were faster.
    pub p50_ms: f64,
    /// Nine of ten were faster.
    pub p90_ms: f64,
    /// All but one in a hundred were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Devices that have been switched on.
    pub(super) started: u64,
    /// Devices that are online now.
    pub(super) online: u64,
    /// Devices that have been online.
    pub(super) arrived: u64,
    /// Connections that the broker accepted.
    pub(super) connected: u64,
    /// Connections that did not come about, or broke.
    pub(super) failed: u64,
    /// Samples taken.
    pub(super) sampled: u64,
    /// Samples that the broker acknowledged.
    pub(super) acknowledged: u64,
    /// Samples that gave way in a full queue.
    pub(super) dropped: u64,
    /// Messages of samples that the broker acknowledged.
    pub(super) messages: u64,
    /// Samples that waited when their device's life ended.
    pub(super) cut: u64,
    /// Lives that ended.
    pub(super) restarts: u64,
    /// Updates that devices have accepted.
    pub(super) updates: u64,
    /// Faults on purpose.
    pub(super) faults: u64,
    /// Certificates that were renewed.
    pub(super) renewals: u64,
    /// Devices that allowed a claim.
    pub(super) claimable: u64,
}

impl Counts {
    /// Samples that are neither acknowledged nor dropped, nor gone with a life.
    pub(super) fn waiting(&self) -> u64 {
        self.sampled
            .saturating_sub(self.acknowledged)
            .saturating_sub(self.dropped)
            .saturating_sub(self.cut)
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |a, b| Self {
            started: a.started + b.started,
            online: a.online + b.online,
            arrived: a.arrived + b.arrived,
            connected: a.connected + b.connected,
            failed: a.failed + b.failed,
            sampled: a.sampled + b.sampled,
            acknowledged: a.acknowledged + b.acknowledged,
            dropped: a.dropped + b.dropped,
            messages: a.messages + b.messages,
            cut: a.cut + b.cut,
            restarts: a.restarts + b.restarts,
            updates: a.updates + b.updates,
            faults: a.faults + b.faults,
            renewals: a.renewals + b.renewals,
            claimable: a.claimable + b.claimable,
        })
    }
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Usage {
    /// Resident memory in bytes; none where the system does not tell.
    pub(super) memory: Option<u64>,
    /// Processor time since its start, in milliseconds; none where the system does not tell.
    pub(super) cpu_ms: Option<u64>,
    /// When this was, in milliseconds since the process asked first.
    pub(super) at_ms: u64,
}

impl Usage {
    /// Of this process.
    pub(super) fn now() -> Self {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let since = FIRST.get_or_init(Instant::now).elapsed();
        Self {
            memory: memory(),
            cpu_ms: cpu_ms(),
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Linux tells in pages; other systems have no file for it.
fn memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size()?)
}

#[cfg(unix)]
fn page_size() -> Option<u64> {
    u64::try_from(rustix::param::page_size()).ok()
}

#[cfg(not(unix))]
fn page_size() -> Option<u64> {
    None
}

#[cfg(unix)]
fn cpu_ms() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(seconds * 1_000 + u64::try_from(time.tv_nsec).ok()? / 1_000_000)
}

#[cfg(not(unix))]
fn cpu_ms() -> Option<u64> {
    None
}

/// Reads a line of JSON that another process of this program wrote.
pub(super) fn parse<T: for<'a> Deserialize<'a>>(line: &str) -> Result<T> {
    serde_json::from_str(line).context("a line that makes no sense between processes of esptb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_to_the_parent() {
        let (mut worker, mut parent) = (Times::default(), Times::default());
        for ms in 1..=100 {
            worker.record(Duration::from_millis(ms));
        }
        parent.add(&worker.take());
        assert_eq!(worker.percentiles(), None, "taken out");
        worker.record(Duration::from_secs(3_600));
        parent.add(&worker.take());
        let told = parent.percentiles().unwrap();
        assert!((told.p50_ms - 51.0).abs() < 0.1, "{told:?}");
        assert!((told.p90_ms - 91.0).abs() < 0.1, "{told:?}");
        assert!(told.max_ms >= 600_000.0, "cut, but not left out: {told:?}");
    }

    #[test]
    fn what_was_acknowledged_or_dropped_does_not_wait() {
        let counts = Counts {
            sampled: 10,
            acknowledged: 7,
            dropped: 2,
            ..Counts::default()
        };
        assert_eq!([counts, counts].into_iter().sum::<Counts>().waiting(), 2);
    }
}
