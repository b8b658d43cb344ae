//! A simulated DHT11: temperature and humidity go up and down within a minute.

use climate::{Air, Sensor};
use embassy_time::{Duration, Instant, Timer};
use product::Fault;

/// The sensor.
#[derive(Default)]
pub(crate) struct Dht11 {
    _private: (),
}

impl Sensor for Dht11 {
    async fn read(&mut self) -> Result<Air, Fault> {
        // As long as its forty bits take.
        Timer::after(Duration::from_millis(23)).await;
        Ok(climate(Instant::now().as_secs()))
    }
}

/// The climate of a room in which a window is opened every minute.
fn climate(second: u64) -> Air {
    let second = (second % 60) as i16;
    let warmth = if second < 30 { second } else { 60 - second };
    Air {
        temperature_decicelsius: Some(205 + warmth),
        // A DHT11 resolves whole percents.
        humidity_permille: Some(10 * (48 - warmth / 5) as u16),
    }
}
