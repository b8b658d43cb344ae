//! Whether telemetry arrived at the server every second, by its time stamps.
//!
//! Knows neither server nor clock: time stamps go in, a verdict comes out.

use std::fmt;
use std::ops::Range;

/// The time stamps that arrived, all of one life of the device.
#[derive(Debug, Clone)]
pub struct Coverage {
    interval_ms: i64,
    /// What was taken before is of another life, and does not count.
    since_ms: i64,
    /// In the order of time, which need not be that of arrival.
    stamps: Vec<i64>,
}

/// What the time stamps say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How many samples arrived.
    pub samples: usize,
    /// Where samples are missing.
    pub gaps: Vec<Gap>,
    /// Time stamps that came again within their interval.
    pub twice: Vec<i64>,
}

/// Missing samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// After which moment, in milliseconds since 1970.
    pub after_ms: i64,
    /// How many.
    pub missing: i64,
}

impl Coverage {
    /// Expects a sample every `interval_ms` milliseconds, which is positive, in a life that began
    /// at `since_ms`, in milliseconds since 1970.
    pub fn new(interval_ms: i64, since_ms: i64) -> Self {
        Self {
            since_ms,
            interval_ms: interval_ms.max(1),
            stamps: Vec::new(),
        }
    }

    /// A sample arrived that was taken then, in milliseconds since 1970.
    pub fn arrived(&mut self, ts_ms: i64) {
        if ts_ms < self.since_ms {
            return;
        }
        let place = self.stamps.partition_point(|&stamp| stamp <= ts_ms);
        self.stamps.insert(place, ts_ms);
    }

    /// All time stamps, in their order.
    pub fn stamps(&self) -> &[i64] {
        &self.stamps
    }

    /// The latest time stamp.
    pub fn latest(&self) -> Option<i64> {
        self.stamps.last().copied()
    }

    /// Judges all that arrived; `window` is the time in which samples must have been taken
    /// without a break.
    pub fn verdict(&self, window: Range<i64>) -> Verdict {
        let mut verdict = Verdict {
            samples: self.stamps.len(),
            gaps: Vec::new(),
            twice: Vec::new(),
        };
        let outside = |edge: Option<&i64>, default| edge.copied().unwrap_or(default);
        // The sample before the window opens, and the one after it closes, may be missing.
        let first = outside(self.stamps.first(), window.end);
        self.judge(
            window.start - self.interval_ms / 2,
            first,
            &mut verdict,
            false,
        );
        for pair in self.stamps.windows(2) {
            if let &[before, after] = pair {
                self.judge(before, after, &mut verdict, true);
            }
        }
        if let Some(&last) = self.stamps.last() {
            self.judge(last, window.end + self.interval_ms / 2, &mut verdict, false);
        }
        verdict
    }

    fn judge(&self, before: i64, after: i64, verdict: &mut Verdict, both_arrived: bool) {
        let steps = (after - before + self.interval_ms / 2).div_euclid(self.interval_ms);
        if steps > 1 {
            verdict.gaps.push(Gap {
                after_ms: before,
                missing: steps - 1,
            });
        } else if steps < 1 && both_arrived {
            verdict.twice.push(after);
        }
    }
}

impl Verdict {
    /// Whether there was a sample in every interval, and only one.
    pub fn is_complete(&self) -> bool {
        self.samples > 0 && self.gaps.is_empty() && self.twice.is_empty()
    }

    /// How many samples are missing.
    pub fn missing(&self) -> i64 {
        self.gaps.iter().map(|gap| gap.missing).sum()
    }
}

/// Part of a sentence: `31 samples, one every second`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples", self.samples)?;
        if self.is_complete() {
            return f.write_str(", one every second");
        }
        if !self.gaps.is_empty() {
            write!(
                f,
                ", {} missing in {} gaps",
                self.missing(),
                self.gaps.len()
            )?;
        }
        if !self.twice.is_empty() {
            write!(f, ", {} twice", self.twice.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(stamps: impl IntoIterator<Item = i64>) -> Coverage {
        let mut coverage = Coverage::new(1000, 500);
        stamps.into_iter().for_each(|ts| coverage.arrived(ts));
        coverage
    }

    #[test]
    fn a_sample_every_second_is_complete_however_it_arrives() {
        let stamps = [5_010, 1_000, 2_003, 3_020, 4_000];
        let verdict = coverage(stamps).verdict(1_200..5_100);
        assert!(verdict.is_complete(), "{verdict:?}");
        assert_eq!(verdict.to_string(), "5 samples, one every second");
    }

    #[test]
    fn a_missing_second_is_found_at_its_place() {
        let verdict = coverage([1_000, 2_000, 5_000, 6_000]).verdict(1_000..6_000);
        let gap = Gap {
            after_ms: 2_000,
            missing: 2,
        };
        assert_eq!(verdict.gaps, [gap]);
        assert!(!verdict.is_complete());
        assert_eq!(verdict.to_string(), "4 samples, 2 missing in 1 gaps");
    }

    #[test]
    fn a_second_told_twice_is_found() {
        for again in [2_000, 2_100, 1_900] {
            let verdict = coverage([1_000, 2_000, 3_000, again]).verdict(1_000..3_000);
            assert_eq!(verdict.twice.len(), 1, "{again}");
            assert!(!verdict.is_complete());
        }
    }

    #[test]
    fn the_window_must_be_filled_to_its_edges() {
        let stamps = || (10..40).map(|second| second * 1_000);
        assert!(coverage(stamps()).verdict(10_400..39_400).is_complete());
        assert_eq!(coverage(stamps()).verdict(8_400..39_400).missing(), 1);
        assert_eq!(coverage(stamps()).verdict(10_400..41_700).missing(), 2);
    }

    #[test]
    fn another_life_does_not_count() {
        assert_eq!(coverage([100, 400, 1_000]).stamps(), [1_000]);
    }

    #[test]
    fn nothing_at_all_is_not_complete() {
        let verdict = coverage([]).verdict(0..30_000);
        assert!(!verdict.is_complete());
        assert_eq!(verdict.missing(), 30);
    }
}
