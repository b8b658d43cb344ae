//! Sampling on a steady grid, whatever the network does.

use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};

use crate::context::Context;
use crate::event::{Event, Sample};
use crate::lifecycle::State;
use crate::platform::{Platform, Reading, Sensor, SensorError, System, Wifi};
use crate::telemetry::{Vitals, VitalsSchedule};

/// How long a sensor may take after power-on to have something to say (DHT22: two seconds).
const SETTLING_MS: u64 = 2_000;

/// Takes a sample at once, and at every interval since the device was provisioned, for ever.
///
/// The grid does not drift: a late sample does not delay the next, and carries the time at which
/// it was due. Where more than an interval was missed, the slots in between stay empty.
pub(super) async fn sample_steadily<P: Platform>(
    context: &Context<'_, P>,
    sensor: &mut P::Sensor,
) -> Infallible {
    let mut failures = Failures::default();
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
        let reading = sensor.read().await;
        let settled = reading.is_ok() || context.clock.uptime_ms() >= SETTLING_MS;
        if settled && let Some(error) = failures.news(reading.err()) {
            context.tell(&Event::SensorFailed(error));
        }
        let mut sample = sample(context, uptime_ms, reading.ok());
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

/// What was told of the sensor since it last gave a reading.
#[derive(Default)]
struct Failures {
    absent: bool,
    garbled: bool,
}

impl Failures {
    /// The failure, if it is to be told: each kind once.
    fn news(&mut self, failure: Option<SensorError>) -> Option<SensorError> {
        let told = match failure {
            None => {
                *self = Self::default();
                return None;
            }
            Some(SensorError::Absent) => &mut self.absent,
            Some(SensorError::Garbled) => &mut self.garbled,
        };
        failure.filter(|_| !core::mem::replace(told, true))
    }
}

fn sample<P: Platform>(
    context: &Context<'_, P>,
    uptime_ms: u64,
    reading: Option<Reading>,
) -> Sample {
    let heap = context.system.heap();
    Sample {
        uptime_ms,
        temperature_decicelsius: reading.map(|r| r.temperature_decicelsius),
        humidity_permille: reading.and_then(|r| r.humidity_permille),
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
    use SensorError::{Absent, Garbled};

    #[test]
    fn each_kind_of_failure_is_told_once_until_there_is_a_reading() {
        let mut failures = Failures::default();
        let mut news = |failure| failures.news(failure);
        assert_eq!(news(None), None);
        assert_eq!([Some(Garbled); 2].map(&mut news), [Some(Garbled), None]);
        assert_eq!([Some(Absent); 2].map(&mut news), [Some(Absent), None]);
        // A bad contact: neither is news any more.
        assert_eq!([Some(Garbled), Some(Absent)].map(&mut news), [None, None]);
        assert_eq!(news(None), None);
        assert_eq!(news(Some(Absent)), Some(Absent));
    }
}
