//! Sampling on a steady grid, whatever the network does.

use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};

use product::{Fault, Faults, Product, Readings};

use crate::context::Context;
use crate::event::Event;
use crate::lifecycle::State;
use crate::platform::{Platform, System, Wifi};
use crate::telemetry::{Sample, Vitals, VitalsSchedule};

/// How long a sensor may take after power-on to have something to say (DHT22: two seconds).
const SETTLING_MS: u64 = 2_000;

/// Takes a sample at once, and at every interval since the device was provisioned, for ever.
///
/// The grid does not drift: a late sample does not delay the next, and carries the time at which
/// it was due. Where more than an interval was missed, the slots in between stay empty.
pub(super) async fn sample_steadily<P: Platform, Q: Product>(
    context: &Context<'_, P>,
    product: &mut Q,
) -> Infallible {
    let mut told = Told::default();
    let mut schedule = VitalsSchedule::new();
    let mut next = Instant::now();
    loop {
        context.plan_sample(next);
        let due = next;
        if let Either::First(()) = select(context.interval_change(), Timer::at(due)).await {
            next = Instant::now() + interval(context);
            continue;
        }
        next = after(due, interval(context));
        if matches!(
            context.state(),
            State::Starting | State::Provisioning { rescue: false, .. }
        ) {
            continue;
        }
        let late_ms = due.elapsed().as_millis();
        let uptime_ms = context.clock.uptime_ms().saturating_sub(late_ms);
        let mut faults = Faults::default();
        let reading = product.sample(&mut faults).await;
        let readings = Readings::of::<Q>(&reading, &mut faults);
        if faults.is_empty() || context.clock.uptime_ms() >= SETTLING_MS {
            told.news(faults)
                .for_each(|fault| context.tell(&Event::SensorFailed(fault)));
        }
        let mut sample = sample(context, uptime_ms, readings);
        sample.vitals = schedule.choose(&sample, context.settings.vitals_interval_s);
        if sample.vitals.contains(Vitals::HEAP_LARGEST) {
            sample.heap_largest = context.system.heap_largest();
        }
        let evicted = context.queue.push(sample);
        context.tell(&Event::Sampled(sample));
        if evicted {
            context.tell(&Event::SamplesDropped {
                total: context.queue.dropped(),
            });
        }
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
