//! A DHT11 in a room: the temperature follows the day, the humidity the temperature.

use std::cell::Cell;
use std::rc::Rc;

use device::platform::{Reading, Sensor, SensorError};
use embassy_time::{Duration, Instant, Timer};

/// The sensor. Clones are the same one.
#[derive(Clone, Default)]
pub struct Dht11 {
    fault: Rc<Cell<Option<SensorError>>>,
}

impl Dht11 {
    /// Breaks it, or mends it.
    pub fn set_fault(&self, fault: Option<SensorError>) {
        self.fault.set(fault);
    }
}

impl Sensor for Dht11 {
    async fn read(&mut self) -> Result<Reading, SensorError> {
        // As long as its forty bits take.
        Timer::after(Duration::from_millis(23)).await;
        match self.fault.get() {
            Some(fault) => Err(fault),
            None => Ok(climate(Instant::now().as_secs())),
        }
    }
}

/// The room's climate: two waves, one of ten minutes and one of a minute, so that a chart shows
/// something within a demo.
fn climate(second: u64) -> Reading {
    let wave = |period: f64| (second as f64 / period * std::f64::consts::TAU).sin();
    let warmth = 3.0 * wave(600.0) + 0.8 * wave(61.0);
    Reading {
        temperature_decicelsius: (220.0 + 10.0 * warmth).round() as i16,
        // A DHT11 resolves whole percents.
        humidity_permille: Some(((45.0 - 1.5 * warmth).round() * 10.0) as u16),
    }
}
