//! When the server is told of the vitals.
//!
//! A server counts each value, and what a device is there for are its readings. So readings go with
//! each sample, and the vitals with one in a minute, or when something changed by so much that
//! somebody may want to know: at most one such sample in ten seconds. That is less than 15,000 values
//! an hour in any case, which is what public clouds allow, at a sample a second.

use super::{Sample, Vitals};

/// Between two samples with vitals that changed.
const CHANGE_PAUSE_MS: u64 = 10_000;
/// A change of the access point's strength that is news: less is noise.
const RSSI_CHANGE_DB: u16 = 6;
/// A change of the chip's temperature that is news.
const CHIP_CHANGE_DECICELSIUS: u32 = 30;

/// When the server was told of what.
#[derive(Debug, Default)]
pub struct VitalsSchedule {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    all_ms: u64,
    any_ms: u64,
    rssi_dbm: Option<i8>,
    chip_decicelsius: Option<i16>,
    heap_least: Option<u32>,
}

impl VitalsSchedule {
    /// Nothing was told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// Which vitals are to go with a sample, if all are to be told each `every_s` seconds; 0 is with
    /// each sample. Samples come in the order of their time.
    pub fn choose(&mut self, sample: &Sample, every_s: u32) -> Vitals {
        let now_ms = sample.uptime_ms;
        let all = Last {
            all_ms: now_ms,
            any_ms: now_ms,
            rssi_dbm: sample.rssi_dbm,
            chip_decicelsius: sample.chip_temperature_decicelsius,
            heap_least: sample.heap_least,
        };
        let every_ms = u64::from(every_s) * 1_000;
        let Some(last) = self
            .last
            .as_mut()
            .filter(|last| now_ms.saturating_sub(last.all_ms) < every_ms)
        else {
            self.last = Some(all);
            return Vitals::ALL;
        };
        if now_ms.saturating_sub(last.any_ms) < CHANGE_PAUSE_MS {
            return Vitals::NONE;
        }
        let mut vitals = Vitals::NONE;
        if changed(last.rssi_dbm, all.rssi_dbm, |a, b| {
            u16::from(a.abs_diff(b)) >= RSSI_CHANGE_DB
        }) {
            last.rssi_dbm = all.rssi_dbm;
            vitals = vitals.and(Vitals::RSSI);
        }
        if changed(last.chip_decicelsius, all.chip_decicelsius, |a, b| {
            u32::from(a.abs_diff(b)) >= CHIP_CHANGE_DECICELSIUS
        }) {
            last.chip_decicelsius = all.chip_decicelsius;
            vitals = vitals.and(Vitals::CHIP_TEMPERATURE);
        }
        // It only falls, and seldom.
        if last.heap_least != all.heap_least {
            last.heap_least = all.heap_least;
            vitals = vitals.and(Vitals::HEAP_LEAST);
        }
        if vitals != Vitals::NONE {
            last.any_ms = now_ms;
        }
        vitals
    }
}

/// Whether a value came, or is far from what it was. That there is none any more cannot be told.
fn changed<T: Copy>(before: Option<T>, now: Option<T>, far: impl Fn(T, T) -> bool) -> bool {
    match (before, now) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(now)) => far(before, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sample(second: u64) -> Sample {
        Sample {
            uptime_ms: second * 1_000,
            chip_temperature_decicelsius: Some(415),
            rssi_dbm: Some(-60),
            heap_free: Some(100_000 + second as u32),
            heap_least: Some(90_000),
            ..Sample::default()
        }
    }

    #[test]
    fn vitals_go_with_the_first_sample_and_one_in_a_minute() {
        let mut schedule = VitalsSchedule::new();
        let with: Vec<u64> = (0..200)
            .filter(|&second| schedule.choose(&sample(second), 60) != Vitals::NONE)
            .collect();
        assert_eq!(with, [0, 60, 120, 180]);
        assert_eq!(schedule.choose(&sample(240), 60), Vitals::ALL);
        let mut schedule = VitalsSchedule::new();
        assert!((0..9).all(|second| schedule.choose(&sample(second), 0) == Vitals::ALL));
    }

    #[test]
    fn a_change_is_told_soon_and_noise_is_not() {
        let mut schedule = VitalsSchedule::new();
        schedule.choose(&sample(0), 600);
        let mut choose = |second, change: fn(&mut Sample)| {
            let mut sample = sample(second);
            change(&mut sample);
            schedule.choose(&sample, 600)
        };
        assert_eq!(choose(20, |s| s.rssi_dbm = Some(-65)), Vitals::NONE);
        assert_eq!(choose(21, |s| s.rssi_dbm = Some(-66)), Vitals::RSSI);
        // Back again, and told once its time has come.
        assert_eq!(choose(22, |_| ()), Vitals::NONE);
        assert_eq!(choose(31, |_| ()), Vitals::RSSI);
        assert_eq!(choose(41, |s| s.rssi_dbm = None), Vitals::NONE);
        let both = |s: &mut Sample| {
            s.chip_temperature_decicelsius = Some(380);
            s.heap_least = Some(80_000);
        };
        let expected = Vitals::CHIP_TEMPERATURE.and(Vitals::HEAP_LEAST);
        assert_eq!(choose(42, both), expected);
    }

    #[test]
    fn whatever_changes_an_hour_has_fewer_than_15_000_values() {
        let mut schedule = VitalsSchedule::new();
        let mut values = 0;
        for second in 0..3_600 {
            let mut sample = sample(second);
            let wild = second as i16 % 2;
            sample.rssi_dbm = Some(-40 - 40 * wild as i8);
            sample.chip_temperature_decicelsius = Some(400 * wild);
            sample.heap_least = Some(90_000 - second as u32);
            let vitals = schedule.choose(&sample, 60);
            // Two readings; samples may have been dropped before each.
            values += 2 + 1;
            values += vitals.bits().count_ones();
        }
        assert!(values < 15_000, "{values}");
    }
}
