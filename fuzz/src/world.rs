//! All that one life of a device needs around it, apart from its connection.

use bodykit::flash::Flash;
use bodykit::system::Chip;
use climate::{Air, Climate};
use device::clock::Clock;
use device::context::{Context, Parts as Shared};
use device::event::ClockSource;
use device::settings::Settings;
use device::storage::Storage;
use device::telemetry::Sample;
use product::{Card, Faults, Readings};

use crate::body::{Fuzzed, Net, NoSensor, Radio, Watcher, flash};

/// The parts of a body, and its flash.
pub struct World {
    radio: Radio,
    net: Net,
    system: Chip,
    /// Who counts what was acknowledged.
    pub watcher: Watcher,
    /// The flash.
    pub storage: Storage<Flash>,
}

impl World {
    /// With this in its flash.
    pub fn new(system: Chip, bytes: Vec<u8>) -> Self {
        Self {
            radio: Radio::default(),
            net: Net::default(),
            system,
            watcher: Watcher::default(),
            storage: Storage::open(flash(bytes)).0,
        }
    }

    /// A life that begins now, and has the time.
    pub fn begin(&self) -> Context<'_, Fuzzed> {
        let clock = Clock::boot();
        clock.set(1_800_000_000_000, ClockSource::Sntp);
        let parts = Shared {
            wifi: &self.radio,
            network: &self.net,
            system: &self.system,
            observer: &self.watcher,
            storage: &self.storage,
        };
        let card = Card::of::<Climate<NoSensor>>();
        Context::begin(parts, card, Settings::default(), clock)
    }
}

/// Samples of one value, a second apart.
pub struct Samples {
    readings: Readings,
    /// How many were taken.
    pub pushed: u64,
}

impl Samples {
    /// Of this.
    pub fn of(air: &Air) -> Self {
        Self {
            readings: Readings::of::<Climate<NoSensor>>(air, &mut Faults::default()),
            pushed: 0,
        }
    }

    /// Takes so many.
    pub fn push(&mut self, context: &Context<'_, Fuzzed>, count: u8) {
        for _ in 0..count {
            self.pushed += 1;
            context.queue.push(Sample {
                uptime_ms: self.pushed * 1_000,
                readings: self.readings,
                ..Sample::default()
            });
        }
    }

    /// # Panics
    ///
    /// If one is neither acknowledged nor counted as waiting or lost.
    pub fn check(&self, world: &World, context: &Context<'_, Fuzzed>) {
        let left = context.queue.len() as u64 + u64::from(context.queue.dropped());
        let acknowledged = world.watcher.acknowledged.get();
        assert_eq!(left + acknowledged, self.pushed, "a sample is lost");
    }
}
