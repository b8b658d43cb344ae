//! What became of every sample: pure accounting, from what the world saw.
//!
//! The sensor numbers its readings, and the server's store is read when all is over. Neither asks
//! the device. What is missing from the store is explained by three things only: the device told
//! that it dropped samples because its queue was full, or its power was gone, or it restarted, with
//! samples in its memory. The queue goes in order, oldest first, so that only the newest samples
//! of a life can be lost with it, and no more than the queue holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Why a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The power was cut.
    Power,
    /// It restarted, by itself or because it was asked to.
    Restart,
}

/// One life of the device, from boot to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The numbers of the readings that the sensor gave in it.
    pub taken: Range<u64>,
    /// How many samples the device told it dropped.
    pub dropped_told: u64,
    /// How many samples the device told the broker acknowledged.
    pub acknowledged_told: u64,
    /// Why it ended.
    pub end: End,
}

/// What the server got.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Each arrival, as the server told it: number and time stamp.
    pub arrivals: Vec<(u64, i64)>,
    /// What its store held when all was over: which number at which time stamp.
    pub stored: BTreeMap<i64, u64>,
}

/// The ledger of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Samples that the sensor gave.
    pub taken: u64,
    /// Of those, samples that reached the server at least once.
    pub delivered: u64,
    /// Of the delivered ones, those that reached it more than once.
    pub delivered_twice: u64,
    /// Of the delivered ones, those that are not in the store any more, since another sample got
    /// the same time stamp after the clock was stepped.
    pub stored_over: u64,
    /// Not delivered: dropped because the queue was full, as the device told.
    pub dropped: u64,
    /// Dropped as told, although they had been delivered: their acknowledgement was lost.
    pub dropped_delivered: u64,
    /// Not delivered: in the device's memory when its power was cut.
    pub lost_to_power: u64,
    /// Not delivered: in the device's memory when it restarted.
    pub lost_to_restart: u64,
    /// What does not add up.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Draws up the ledger. `capacity` is how many samples the device's queue holds.
    #[must_use]
    pub fn of(lives: &[Life], received: &Received, capacity: u64) -> Self {
        let mut ledger = Self::default();
        let stored: BTreeSet<u64> = received.stored.values().copied().collect();
        let mut arrivals: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for &(number, ts_ms) in &received.arrivals {
            arrivals.entry(number).or_default().push(ts_ms);
        }
        // The server may have been killed between storing and telling.
        for (&ts_ms, &number) in &received.stored {
            let told = arrivals.entry(number).or_default();
            if !told.contains(&ts_ms) {
                told.push(ts_ms);
            }
        }
        let mut expected = 0;
        for (index, life) in lives.iter().enumerate() {
            if life.taken.start != expected {
                ledger.wrong(format!("life {index} does not begin at sample {expected}"));
            }
            expected = life.taken.end;
            ledger.enter(index, life, &arrivals, capacity);
        }
        for (number, stamps) in &arrivals {
            if *number >= expected {
                ledger.wrong(format!("the server has sample {number}, which nobody took"));
            }
            ledger.delivered_twice += u64::from(stamps.len() > 1);
            if !stored.contains(number) {
                // Kept at the time stamp must be another one.
                match stamps.iter().any(|ts| received.stored.contains_key(ts)) {
                    true => ledger.stored_over += 1,
                    false => {
                        ledger.wrong(format!("sample {number} arrived and is not in the store"));
                    }
                }
            }
        }
        if ledger.balance() != 0 {
            ledger.wrong(format!("{} samples are unaccounted for", ledger.balance()));
        }
        ledger
    }

    fn enter(
        &mut self,
        index: usize,
        life: &Life,
        arrivals: &BTreeMap<u64, Vec<i64>>,
        capacity: u64,
    ) {
        let taken = life.taken.end - life.taken.start;
        let delivered = arrivals.range(life.taken.clone()).count() as u64;
        let last = arrivals.range(life.taken.clone()).next_back();
        let after_last = last.map_or(life.taken.start, |(number, _)| number + 1);
        // The newest: nothing of them arrived. What the queue had no room for was dropped.
        let tail = life.taken.end - after_last;
        let lost = tail.min(capacity);
        // Samples never overtake each other, so what is missing in between gave way.
        let evicted = taken - delivered - lost;
        self.taken += taken;
        self.delivered += delivered;
        let explained = evicted.min(life.dropped_told);
        self.dropped += explained;
        self.dropped_delivered += life.dropped_told - explained;
        match life.end {
            End::Power => self.lost_to_power += lost,
            End::Restart => self.lost_to_restart += lost,
        }
        if evicted > life.dropped_told {
            let missing = life.taken.clone().filter(|n| !arrivals.contains_key(n));
            let first: Vec<_> = missing.take(10).collect();
            self.wrong(format!(
                "life {index} of samples {:?}: {evicted} are missing in between or beyond the \
                 queue, and {} were dropped as told; missing are {first:?} …",
                life.taken, life.dropped_told
            ));
        }
        if life.acknowledged_told > delivered {
            self.wrong(format!(
                "life {index}: {} samples were acknowledged, and {delivered} arrived",
                life.acknowledged_told
            ));
        }
        if life.dropped_told - explained > delivered.saturating_sub(life.acknowledged_told) {
            self.wrong(format!(
                "life {index}: {} samples were dropped as told, which is more than are missing",
                life.dropped_told
            ));
        }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// What is left when everything is taken off what was taken: 0, or something is wrong.
    #[must_use]
    pub fn balance(&self) -> i64 {
        let gone = self.delivered + self.dropped + self.lost_to_power + self.lost_to_restart;
        self.taken as i64 - gone as i64
    }

    /// Whether every sample is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.balance() == 0 && self.wrong.is_empty()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, count: i64, note: &str| {
            writeln!(
                f,
                "{}",
                format!("  {name:<24}{count:>9}  {note}").trim_end()
            )
        };
        line(f, "taken", self.taken as i64, "by the sensor")?;
        line(
            f,
            "- delivered",
            self.delivered as i64,
            "read from the server's store",
        )?;
        line(
            f,
            "- dropped as told",
            self.dropped as i64,
            "the queue was full",
        )?;
        line(
            f,
            "- lost to power",
            self.lost_to_power as i64,
            "in memory at a power cut",
        )?;
        line(
            f,
            "- lost to restart",
            self.lost_to_restart as i64,
            "in memory at a restart",
        )?;
        line(f, "= balance", self.balance(), "")?;
        line(f, "delivered twice", self.delivered_twice as i64, "")?;
        let note = "delivered, then another with the same time stamp: the clock was stepped";
        line(f, "stored over", self.stored_over as i64, note)?;
        let note = "dropped as told, with their acknowledgement lost";
        line(
            f,
            "dropped when delivered",
            self.dropped_delivered as i64,
            note,
        )?;
        for wrong in &self.wrong {
            writeln!(f, "  WRONG: {wrong}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(taken: Range<u64>, dropped_told: u64, acknowledged_told: u64) -> Life {
        Life {
            taken,
            dropped_told,
            acknowledged_told,
            end: End::Power,
        }
    }

    /// The server has these, each at a time stamp of its own.
    fn received(numbers: impl IntoIterator<Item = u64>) -> Received {
        let arrivals: Vec<_> = numbers.into_iter().map(|n| (n, n as i64 * 10)).collect();
        let stored = arrivals.iter().map(|&(n, ts)| (ts, n)).collect();
        Received { arrivals, stored }
    }

    #[test]
    fn what_arrived_or_was_lost_at_the_end_balances() {
        let lives = [life(0..10, 0, 8), life(10..20, 0, 10)];
        let ledger = Ledger::of(&lives, &received((0..8).chain(10..20)), 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.delivered, ledger.lost_to_power), (18, 2));
    }

    #[test]
    fn what_is_missing_in_between_must_have_been_told() {
        let server = received((0..4).chain(7..10));
        let ledger = Ledger::of(&[life(0..10, 3, 7)], &server, 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!(ledger.dropped, 3);
        let ledger = Ledger::of(&[life(0..10, 2, 7)], &server, 5);
        assert!(!ledger.balances(), "one vanished: {ledger}");
        assert_eq!(ledger.balance(), 1);
        let ledger = Ledger::of(&[life(0..10, 4, 7)], &server, 5);
        assert!(!ledger.balances(), "one was told that was none: {ledger}");
    }

    #[test]
    fn no_more_is_lost_at_the_end_than_the_queue_holds() {
        let ledger = Ledger::of(&[life(0..10, 0, 2)], &received(0..2), 5);
        assert_eq!(ledger.balance(), 3, "{ledger}");
        let ledger = Ledger::of(&[life(0..10, 3, 2)], &received(0..2), 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.dropped, ledger.lost_to_power), (3, 5));
    }

    #[test]
    fn what_was_acknowledged_must_be_there() {
        let ledger = Ledger::of(&[life(0..10, 0, 10)], &received(0..9), 5);
        assert!(!ledger.balances(), "{ledger}");
    }

    #[test]
    fn dropped_after_delivery_is_told_apart() {
        // Samples 0 to 4 arrived, their acknowledgement did not; two of them gave way later.
        let ledger = Ledger::of(&[life(0..10, 2, 5)], &received(0..10), 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!(ledger.dropped_delivered, 2);
    }

    #[test]
    fn a_stepped_clock_stores_one_sample_over_another() {
        let mut server = received(0..3);
        server.arrivals.push((3, 10));
        server.stored.insert(10, 3);
        let ledger = Ledger::of(&[life(0..4, 0, 4)], &server, 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.delivered, ledger.stored_over), (4, 1));
        server.stored.remove(&20);
        let ledger = Ledger::of(&[life(0..4, 0, 4)], &server, 5);
        assert!(!ledger.balances(), "sample 2 is nowhere: {ledger}");
    }

    #[test]
    fn samples_from_nowhere_and_twice_are_seen() {
        let mut server = received(0..5);
        server.arrivals.push((2, 20));
        let ledger = Ledger::of(&[life(0..5, 0, 5)], &server, 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!(ledger.delivered_twice, 1);
        let ledger = Ledger::of(&[life(0..4, 0, 4)], &server, 5);
        assert!(!ledger.balances(), "sample 4 was not taken: {ledger}");
    }
}
