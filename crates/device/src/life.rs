//! What all activities of one life share, from boot to restart: parts of the body, clocks, queue,
//! settings.

use core::cell::Cell;

use crate::clock::Clock;
use crate::event::Event;
use crate::platform::{Entropy, Observer, Platform};
use crate::settings::Settings;
use crate::storage::Storage;
use crate::telemetry::SampleQueue;

/// How many samples wait through an outage: ten minutes of them, at one a second.
pub const QUEUE_SAMPLES: usize = 600;

/// The shared part of one life. Activities borrow it; nothing in it is held across an await.
pub struct Life<'a, P: Platform> {
    /// The Wi-Fi station.
    pub wifi: &'a P::Wifi,
    /// Sockets over the station.
    pub network: &'a P::Network,
    /// Clock chip, randomness, button, memory.
    pub system: &'a P::System,
    /// Whoever is told what happens.
    pub observer: &'a P::Observer,
    /// What is kept in flash.
    pub storage: &'a Storage<P::Flash>,
    /// Time since boot, and the calendar.
    pub clock: Clock,
    /// Samples that wait for the broker.
    pub queue: SampleQueue,
    /// What `settings.json` says.
    pub settings: Settings,
    interval_ms: Cell<u32>,
}

impl<'a, P: Platform> Life<'a, P> {
    /// A life that begins now.
    pub fn begin(
        wifi: &'a P::Wifi,
        network: &'a P::Network,
        system: &'a P::System,
        observer: &'a P::Observer,
        storage: &'a Storage<P::Flash>,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        // What the server asked for lasts; if flash cannot tell, the settings hold.
        let kept = storage.interval_ms().ok().flatten();
        let interval = kept.unwrap_or(settings.telemetry_interval_ms);
        Self {
            wifi,
            network,
            system,
            observer,
            storage,
            clock,
            queue: SampleQueue::new(QUEUE_SAMPLES),
            settings,
            interval_ms: Cell::new(interval),
        }
    }

    /// Tells the observer that something happened.
    pub fn tell(&self, event: &Event) {
        self.observer.notice(self.clock.uptime_ms(), event);
    }

    /// The system's randomness.
    pub fn entropy(&self) -> Entropy<'a, P::System> {
        Entropy(self.system)
    }

    /// Milliseconds between samples.
    pub fn interval_ms(&self) -> u32 {
        self.interval_ms.get()
    }

    /// Changes the interval between samples at once, and keeps it in flash. Returns whether it
    /// could be kept; it holds until the next restart in any case.
    pub fn change_interval(&self, ms: u32) -> bool {
        if ms == self.interval_ms.replace(ms) {
            return true;
        }
        self.tell(&Event::IntervalChanged { ms });
        self.storage.keep_interval_ms(ms).is_ok()
    }
}
