//! Whoever is told of a device among many, and tells its worker's sums.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use device::event::{Event, Renewal, ServerClock};
use device::platform::Observer;

use super::member::Member;
use super::passage::Stopwatch;
use super::tally::Counts;

/// Adds up what happens to one device in one life.
pub(super) struct Watcher {
    member: Rc<Member>,
    stopwatch: Stopwatch,
    connecting: Cell<Option<Instant>>,
    online: Cell<bool>,
    /// Samples of this life that are neither acknowledged nor dropped.
    waiting: Cell<u64>,
}

impl Watcher {
    pub(super) fn new(member: Rc<Member>, stopwatch: Stopwatch) -> Self {
        Self {
            member,
            stopwatch,
            connecting: Cell::new(None),
            online: Cell::new(false),
            waiting: Cell::new(0),
        }
    }

    fn offline(&self, counts: &mut Counts) {
        if self.online.replace(false) {
            counts.online -= 1;
        }
        self.stopwatch.stop();
    }
}

impl Observer for Watcher {
    fn notice(&self, _: u64, event: &Event) {
        let common = &self.member.common;
        let mut counts = common.counts.borrow_mut();
        match event {
            Event::Connecting { .. } => self.connecting.set(Some(Instant::now())),
            Event::Online { .. } => {
                counts.connected += 1;
                if !self.online.replace(true) {
                    counts.online += 1;
                }
                if !self.member.arrived.replace(true) {
                    counts.arrived += 1;
                }
                if let Some(since) = self.connecting.take() {
                    common.connecting.borrow_mut().record(since.elapsed());
                }
            }
            Event::Sampled(_) => {
                counts.sampled += 1;
                self.waiting.set(self.waiting.get() + 1);
                if self.online.get() {
                    self.stopwatch.get_ready();
                }
            }
            Event::Acknowledged { samples, .. } => {
                counts.acknowledged += u64::from(*samples);
                self.done_with(u64::from(*samples));
                counts.messages += 1;
                if let Some(time) = self.stopwatch.stop() {
                    common.acknowledging.borrow_mut().record(time);
                }
            }
            // Told once for each.
            Event::SamplesDropped { .. } => {
                counts.dropped += 1;
                self.done_with(1);
            }
            Event::FirmwareAccepted => counts.updates += 1,
            Event::Renewal(Renewal::Renewed) => counts.renewals += 1,
            Event::Renewal(Renewal::Failed { .. } | Renewal::AnchorsRefused { .. }) => {
                self.complain(event);
            }
            Event::ClaimOpened { .. } if !self.member.claimable.replace(true) => {
                counts.claimable += 1;
            }
            Event::ConnectionFailed { .. } => {
                counts.failed += 1;
                self.offline(&mut counts);
                self.complain(event);
            }
            Event::StorageFailed(_)
            | Event::SettingsRefused(_)
            | Event::CredentialsRefused(_)
            | Event::ClockFailed { .. }
            | Event::ServerClock(ServerClock::Contradicted { .. } | ServerClock::Refused { .. })
            | Event::BluetoothFailed
            | Event::FactoryReset
            | Event::Restarting { .. } => self.complain(event),
            _ => {}
        }
    }

    fn show_provisioning_code(&self, _: &str) {}
}

impl Watcher {
    fn done_with(&self, samples: u64) {
        self.waiting.set(self.waiting.get().saturating_sub(samples));
    }

    fn complain(&self, event: &Event) {
        let trouble = format!("{}: {event}", self.member.name);
        self.member.common.trouble.replace(Some(trouble));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut counts = self.member.common.counts.borrow_mut();
        self.offline(&mut counts);
        counts.cut += self.waiting.get();
        counts.restarts += 1;
    }
}
