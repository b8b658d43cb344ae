//! Sampling on a steady grid, whatever the network does.

use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};

use crate::event::{Event, Sample};
use crate::life::Life;
use crate::lifecycle::State;
use crate::platform::{Platform, Reading, Sensor, SensorError, System, Wifi};

/// Takes a sample at every interval since the device was provisioned, for ever.
///
/// The grid does not drift: a late sample does not delay the next, and carries the time at which
/// it was due. Where more than an interval was missed, the slots in between stay empty.
pub(super) async fn sample_steadily<P: Platform>(
    life: &Life<'_, P>,
    sensor: &mut P::Sensor,
) -> Infallible {
    let mut failures = Failures::default();
    let mut next = Instant::now();
    loop {
        let interval = Duration::from_millis(life.interval_ms().into());
        next += interval;
        while next + interval <= Instant::now() {
            next += interval;
        }
        life.plan_sample(next);
        if let Either::First(()) = select(life.interval_change(), Timer::at(next)).await {
            next = Instant::now();
            continue;
        }
        if matches!(
            life.state(),
            State::Starting | State::Provisioning { rescue: false, .. }
        ) {
            continue;
        }
        let late_ms = next.elapsed().as_millis();
        let uptime_ms = life.clock.uptime_ms().saturating_sub(late_ms);
        let reading = sensor.read().await;
        if let Some(error) = failures.news(reading.err()) {
            life.tell(&Event::SensorFailed(error));
        }
        let sample = sample(life, uptime_ms, reading.ok());
        let gave_way = life.queue.push(sample);
        life.tell(&Event::Sampled(sample));
        if gave_way {
            life.tell(&Event::SamplesDropped {
                total: life.queue.dropped(),
            });
        }
    }
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

fn sample<P: Platform>(life: &Life<'_, P>, uptime_ms: u64, reading: Option<Reading>) -> Sample {
    let heap = life.system.heap();
    Sample {
        uptime_ms,
        temperature_decicelsius: reading.map(|r| r.temperature_decicelsius),
        humidity_permille: reading.and_then(|r| r.humidity_permille),
        chip_temperature_decicelsius: life.system.chip_temperature_decicelsius(),
        rssi_dbm: life.wifi.rssi_dbm(),
        heap_free: heap.map(|heap| heap.free),
        heap_least: heap.map(|heap| heap.least),
        dropped: life.queue.dropped(),
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
