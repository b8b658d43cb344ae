//! Faults of devices among many: what happens to boards in the field, at random.
//!
//! Each device has its own, independent of the others: its network is away for a while, its power is cut,
//! its firmware crashes. What it does about that is the device's own code.

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use device::platform::{BuildId, ResetReason};
use device::retained::{self, PanicRecord, note_panic};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::body::Member;

/// How long the network, or the power, is away.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// Whether a device has its network.
pub(super) struct Link {
    up: Cell<bool>,
    changed: Notify,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: Cell::new(true),
            changed: Notify::new(),
        }
    }
}

impl Link {
    fn set(&self, up: bool) {
        self.up.set(up);
        self.changed.notify_waiters();
    }

    /// Returns once it is there, or is not.
    pub(super) async fn is(&self, up: bool) {
        while self.up.get() != up {
            self.changed.notified().await;
        }
    }
}

/// Memory that outlives a restart.
pub(super) struct Ram(Cell<[u8; retained::BYTES]>);

impl Default for Ram {
    fn default() -> Self {
        Self(Cell::new([0; retained::BYTES]))
    }
}

impl retained::Memory for Ram {
    fn read(&self) -> [u8; retained::BYTES] {
        self.0.get()
    }

    fn write(&self, bytes: &[u8; retained::BYTES]) {
        self.0.set(*bytes);
    }
}

/// What ends a life.
enum End {
    Power,
    Crash,
}

impl Member {
    /// Lets faults happen to it, on average one in this time once it has been online: whether it comes
    /// online at all is not left to chance. Returns when one ends its life.
    pub(super) async fn suffer(&self, mean: Option<Duration>) {
        let Some(mean) = mean else {
            return pending().await;
        };
        loop {
            sleep(chance(mean)).await;
            if self.common.draining.get() {
                return pending().await;
            }
            if !self.arrived.get() {
                continue;
            }
            self.common.counts.borrow_mut().faults += 1;
            match (fraction() * 3.0) as u8 {
                0 => {
                    self.link.set(false);
                    let _mended = Mended(&self.link);
                    sleep(away()).await;
                }
                1 => return self.end(&End::Power),
                _ => return self.end(&End::Crash),
            }
        }
    }

    fn end(&self, end: &End) {
        match end {
            End::Power => {
                self.ram.0.set([0x5a; retained::BYTES]);
                self.reset.set(ResetReason::PowerOn);
                self.pause.set(away());
            }
            End::Crash => {
                let (what, place) = ("a fault on purpose", "src/fleet/faults.rs");
                let record = PanicRecord::new(what, place, [], BuildId::default());
                note_panic(&self.ram, record);
                self.reset.set(ResetReason::Panic);
            }
        }
    }
}

/// Brings the network back, whatever ends the wait.
struct Mended<'a>(&'a Link);

impl Drop for Mended<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// How long until the next of things that come on average once in this time: independent of when the last
/// one was.
pub(super) fn chance(mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - fraction()).ln())
}

fn away() -> Duration {
    AWAY.0 + (AWAY.1 - AWAY.0).mul_f64(fraction())
}

/// From 0 to 1, without 1.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives randomness");
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_is_waited_for_either_way() {
        let link = Link::default();
        link.is(true).await;
        let cut = async { link.set(false) };
        let ((), ()) = tokio::join!(link.is(false), cut);
        let mend = async { drop(Mended(&link)) };
        let ((), ()) = tokio::join!(link.is(true), mend);
    }

    #[test]
    fn fractions_are_what_they_are_called() {
        let all: Vec<_> = (0..1000).map(|_| fraction()).collect();
        assert!(all.iter().all(|one| (0.0..1.0).contains(one)));
        let sum: f64 = all.iter().sum();
        assert!((400.0..600.0).contains(&sum), "{sum}");
    }
}
