//! Sampling on a steady grid, whatever the network does.

use embassy_time::{Duration, Instant};

use product::{Fault, Faults, Product, Readings};

use crate::context::Context;
use crate::event::Event;
use crate::lifecycle::State;
use crate::platform::{Platform, System, Wifi};
use crate::telemetry::{Sample, Vitals, VitalsSchedule};

/// How long a sensor may take after power-on to have something to say (DHT22: two seconds).
const SETTLING_MS: u64 = 2_000;

/// The grid of samples: one at once, and one at every interval since the device was provisioned.
///
/// The grid does not drift: a late sample does not delay the next, and carries the time at which
/// it was due. Where more than an interval was missed, the slots in between stay empty.
pub(super) struct Sampling {
    told: Told,
    vitals: VitalsSchedule,
    next: Instant,
}

impl Sampling {
    /// The first slot is now.
    pub(super) fn begin() -> Self {
        Self {
            told: Told::default(),
            vitals: VitalsSchedule::new(),
            next: Instant::now(),
        }
    }

    /// When the next sample is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// The interval is another: the grid begins anew.
    pub(super) fn interval_changed<P: Platform>(&mut self, context: &Context<'_, P>) {
        self.next = Instant::now() + interval(context);
    }

    /// Takes the sample that is due, unless nobody is to have it.
    pub(super) async fn sample<P: Platform, Q: Product>(
        &mut self,
        context: &Context<'_, P>,
        product: &mut Q,
    ) {
        let due = self.next;
        self.next = after(due, interval(context));
        if !is_wanted(context) {
            return;
        }
        // Not now less what it is late by: the time goes on between two looks at it, and both are cut.
        let uptime_ms = context.clock.uptime_ms_at(due);
        let mut faults = Faults::default();
        let reading = product.sample(&mut faults).await;
        let readings = Readings::of::<Q>(&reading, &mut faults);
        if faults.is_empty() || context.clock.uptime_ms() >= SETTLING_MS {
            let news = self.told.news(faults);
            news.for_each(|fault| context.tell(&Event::SensorFailed(fault)));
        }
        let mut sample = sample(context, uptime_ms, readings);
        let every_s = context.settings.vitals_interval_s;
        sample.vitals = self.vitals.choose(&sample, every_s);
        if sample.vitals.contains(Vitals::HEAP_LARGEST) {
            sample.heap_largest = context.system.heap_largest();
        }
        push(context, sample);
    }

    /// Takes note of what the product says between samples.
    pub(super) fn note_event<P: Platform>(&self, context: &Context<'_, P>, readings: Readings) {
        if is_wanted(context) {
            let uptime_ms = context.clock.uptime_ms();
            push(context, sample(context, uptime_ms, readings));
        }
    }
}

/// Whether a sample is for somebody: not before the device was provisioned.
fn is_wanted<P: Platform>(context: &Context<'_, P>) -> bool {
    !matches!(
        context.state(),
        State::Starting | State::Provisioning { rescue: false, .. }
    )
}

fn push<P: Platform>(context: &Context<'_, P>, sample: Sample) {
    if context.queue.is_full() {
        context.keep_samples(1);
    }
    let evicted = context.queue.push(sample);
    context.tell(&Event::Sampled(sample));
    if evicted {
        let total = context.queue.dropped();
        context.tell(&Event::SamplesDropped { total });
    }
}

fn interval<P: Platform>(context: &Context<'_, P>) -> Duration {
    Duration::from_millis(context.interval_ms().into())
}

/// The next slot of the grid after `due`, of those that have passed the last.
fn after(due: Instant, interval: Duration) -> Instant {
    let mut next = due + interval;
    while next + interval <= Instant::now() {
        next += interval;
    }
    next
}

/// The faults that were told since a sample had none.
#[derive(Default)]
struct Told(Faults);

impl Told {
    /// Those faults that are to be told: each kind once.
    fn news(&mut self, faults: Faults) -> impl Iterator<Item = Fault> + use<> {
        let told = self.0;
        self.0 = match faults.is_empty() {
            true => faults,
            false => told.and(faults),
        };
        faults.iter().filter(move |fault| !told.contains(*fault))
    }
}

fn sample<P: Platform>(context: &Context<'_, P>, uptime_ms: u64, readings: Readings) -> Sample {
    let heap = context.system.heap();
    Sample {
        uptime_ms,
        readings,
        chip_temperature_decicelsius: context.system.chip_temperature_decicelsius(),
        rssi_dbm: context.wifi.rssi_dbm(),
        heap_free: heap.map(|heap| heap.free),
        heap_least: heap.map(|heap| heap.least),
        ..Sample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fault::{Absent, Garbled};

    #[test]
    fn each_kind_of_fault_is_told_once_until_a_sample_had_none() {
        let mut told = Told::default();
        let mut news = |faults: &[Fault]| {
            let mut noted = Faults::default();
            faults.iter().for_each(|fault| noted.note(*fault));
            told.news(noted).collect::<alloc::vec::Vec<_>>()
        };
        assert_eq!(news(&[]), []);
        assert_eq!(news(&[Garbled]), [Garbled]);
        assert_eq!(news(&[Garbled]), []);
        assert_eq!(news(&[Absent, Garbled]), [Absent]);
        // A bad contact: neither is news any more.
        assert_eq!(news(&[Garbled]), []);
        assert_eq!(news(&[Absent]), []);
        assert_eq!(news(&[]), []);
        assert_eq!(news(&[Absent]), [Absent]);
    }
}
