//! Faults of devices among many: what happens to boards in the field, at random.
//!
//! Each device has its own, independent of the others: its network is away for a while, its power is cut,
//! its firmware crashes. What it does about that is the device's own code.

use std::future::pending;
use std::time::Duration;

use device::platform::BuildId;
use device::retained::PanicRecord;
use tokio::sync::watch;
use tokio::time::sleep;

use super::luck::{chance, fraction};
use super::member::Member;

/// How long the network, or the power, is away.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

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
                    self.link.send_replace(false);
                    let _mended = Mended(&self.link);
                    sleep(away()).await;
                }
                1 => return self.end(&End::Power),
                _ => return self.end(&End::Crash),
            }
        }
    }

    /// Has somebody press its button, on average once in this time. It never returns.
    pub(super) async fn be_pressed(&self, mean: Option<Duration>) {
        loop {
            match mean {
                Some(mean) => sleep(chance(mean)).await,
                None => pending().await,
            }
            self.chip.press_button();
        }
    }

    fn end(&self, end: &End) {
        match end {
            End::Power => {
                self.chip.power_cycle();
                self.pause.set(away());
            }
            End::Crash => {
                let (what, place) = ("a fault on purpose", "src/fleet/faults.rs");
                let record = PanicRecord::new(what, place, [], BuildId::default());
                self.chip.panic(record);
            }
        }
    }
}

/// Brings the network back, whatever ends the wait.
struct Mended<'a>(&'a watch::Sender<bool>);

impl Drop for Mended<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

fn away() -> Duration {
    AWAY.0 + (AWAY.1 - AWAY.0).mul_f64(fraction())
}
