//! What became of every sample: pure accounting, from what the world saw.
//!
//! The sensor numbers its readings, and the server's store is read when all is over. Neither asks
//! the device. What is missing from the store is explained by three things only: the device told
//! that it dropped samples, for there was no room or no time for them; or its power was gone, or it
//! was reset, with samples in its memory. The queue goes in order, and its oldest go into flash, so
//! that only the newest samples of a life can be lost with it, and no more than the queue holds. A
//! restart that the device knew of loses none: they are in flash, and are sent in a later life.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Why a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The power was cut.
    Power,
    /// It was reset, as by a watchdog.
    Reset,
    /// It restarted by itself, or because it was asked to, and kept what was unsent.
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
    /// Not delivered: dropped because there was no room or no time for them, as the device told.
    pub dropped: u64,
    /// Dropped as told, although they had been delivered: their acknowledgement was lost.
    pub dropped_delivered: u64,
    /// Not delivered: in the device's memory when its power was cut.
    pub lost_to_power: u64,
    /// Not delivered: in the device's memory when it was reset.
    pub lost_to_reset: u64,
    /// What does not add up.
    pub wrong: Vec<String>,
}

/// How many samples of a life that restarts may be on their way from the sensor.
const UNDER_WAY: u64 = 1;

/// What became of a life's samples.
struct Account {
    delivered: u64,
    /// The newest, of which nothing arrived: what the queue can have held.
    lost: u64,
    /// The others that did not arrive.
    evicted: u64,
    /// Some that are missing.
    missing: Vec<u64>,
}

impl Account {
    fn of(life: &Life, arrivals: &BTreeMap<u64, Vec<i64>>, capacity: u64) -> Self {
        let taken = life.taken.end - life.taken.start;
        let delivered = arrivals.range(life.taken.clone()).count() as u64;
        let last = arrivals.range(life.taken.clone()).next_back();
        let after_last = last.map_or(life.taken.start, |(number, _)| number + 1);
        let lost = (life.taken.end - after_last).min(capacity);
        let missing = life.taken.clone().filter(|n| !arrivals.contains_key(n));
        Self {
            delivered,
            lost,
            evicted: taken - delivered - lost,
            missing: missing.take(10).collect(),
        }
    }
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
        let mut accounts = Vec::new();
        for (index, life) in lives.iter().enumerate() {
            if life.taken.start != expected {
                ledger.wrong(format!("life {index} does not begin at sample {expected}"));
            }
            expected = life.taken.end;
            accounts.push(Account::of(life, &arrivals, capacity));
        }
        ledger.sum(lives, &mut accounts);
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

    /// Sums up the lives. What a life kept in flash may be acknowledged, or dropped, in a later one, but not
    /// in an earlier one.
    fn sum(&mut self, lives: &[Life], accounts: &mut [Account]) {
        let (mut acknowledged, mut delivered) = (0, 0);
        for (index, (life, account)) in lives.iter().zip(&*accounts).enumerate() {
            acknowledged += life.acknowledged_told;
            delivered += account.delivered;
            if acknowledged > delivered {
                self.wrong(format!(
                    "up to life {index} {acknowledged} samples were acknowledged, and {delivered} arrived"
                ));
            }
        }
        let (mut evicted, mut told) = (0, 0);
        for (index, (life, account)) in lives.iter().zip(&*accounts).enumerate().rev() {
            evicted += account.evicted;
            told += life.dropped_told;
            if evicted > told {
                self.wrong(format!(
                    "from life {index} of samples {:?} on {evicted} are missing in between or beyond the \
                     queue, and {told} were dropped as told; missing are {:?} …",
                    life.taken, account.missing
                ));
            }
        }
        let mut unexplained = told - evicted.min(told);
        self.dropped = evicted.min(told);
        self.delivered = delivered;
        // The newest of a life that it kept, and that a later one dropped, for nobody knew their time. Where what
        // was told may be of these or of delivered ones, those come first that nothing else explains.
        let restarted = lives.iter().zip(&mut *accounts);
        for (_, account) in restarted.filter(|(life, _)| life.end == End::Restart) {
            let dropped = unexplained.min(account.lost.saturating_sub(UNDER_WAY));
            unexplained -= dropped;
            self.dropped += dropped;
            account.lost -= dropped;
        }
        self.dropped_delivered = unexplained.min(delivered.saturating_sub(acknowledged));
        unexplained -= self.dropped_delivered;
        for (index, (life, account)) in lives.iter().zip(accounts).enumerate() {
            self.taken += life.taken.end - life.taken.start;
            let dropped = unexplained.min(account.lost);
            unexplained -= dropped;
            self.dropped += dropped;
            account.lost -= dropped;
            match life.end {
                End::Power => self.lost_to_power += account.lost,
                End::Reset => self.lost_to_reset += account.lost,
                End::Restart if account.lost <= UNDER_WAY => self.lost_to_reset += account.lost,
                End::Restart => {
                    let lost = account.lost;
                    self.wrong(format!(
                        "life {index} did not keep {lost} samples when it restarted"
                    ));
                }
            }
        }
        if unexplained > 0 {
            self.wrong(format!(
                "{told} samples were dropped as told, which is {unexplained} more than are missing"
            ));
        }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// What is left when everything is taken off what was taken: 0, or something is wrong.
    #[must_use]
    pub fn balance(&self) -> i64 {
        let gone = self.delivered + self.dropped + self.lost_to_power + self.lost_to_reset;
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
            "no room, or no time, for them",
        )?;
        line(
            f,
            "- lost to power",
            self.lost_to_power as i64,
            "in memory at a power cut",
        )?;
        line(
            f,
            "- lost to reset",
            self.lost_to_reset as i64,
            "in memory at a reset",
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
    fn what_was_kept_over_a_restart_is_sent_or_dropped_in_a_later_life() {
        let kept = |taken, acknowledged_told| Life {
            end: End::Restart,
            ..life(taken, 0, acknowledged_told)
        };
        // All of the first life's arrive in the second.
        let lives = [kept(0..10, 4), life(10..20, 0, 16)];
        let ledger = Ledger::of(&lives, &received(0..20), 5);
        assert!(ledger.balances(), "{ledger}");
        // Its last three had no time, which the second life told.
        let lives = [kept(0..10, 4), life(10..20, 3, 13)];
        let ledger = Ledger::of(&lives, &received((0..7).chain(10..20)), 5);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!((ledger.dropped, ledger.lost_to_reset), (3, 0));
        // Nobody told.
        let lives = [kept(0..10, 4), life(10..20, 0, 13)];
        let ledger = Ledger::of(&lives, &received((0..7).chain(10..20)), 5);
        assert!(!ledger.balances(), "three were not kept: {ledger}");
        // A life cannot tell of what a later one takes, nor be acknowledged what it has not taken.
        let lives = [kept(0..10, 10), life(10..20, 0, 7)];
        let mut lives = lives.to_vec();
        lives[0].dropped_told = 3;
        let later = received((0..13).chain(16..20));
        assert!(!Ledger::of(&lives, &later, 5).balances());
        let lives = [kept(0..10, 12), life(10..20, 0, 8)];
        assert!(!Ledger::of(&lives, &received(0..20), 5).balances());
    }

    #[test]
    fn what_was_told_explains_first_what_nothing_else_does() {
        // Three of the first life's had no time; three of the second's arrived, and nobody heard that they did.
        let first = Life {
            end: End::Restart,
            ..life(0..10, 0, 7)
        };
        let lives = [first, life(10..20, 3, 7)];
        let ledger = Ledger::of(&lives, &received((0..7).chain(10..20)), 5);
        assert!(ledger.balances(), "{ledger}");
        // The third may have been under way.
        assert_eq!((ledger.dropped, ledger.dropped_delivered), (2, 1));
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
