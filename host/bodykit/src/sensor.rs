//! A DHT11 in a room: the temperature follows the day, the humidity the temperature. Or, for who
//! wants to know what becomes of each reading, a sensor that numbers them.

use std::cell::Cell;
use std::rc::Rc;

use climate::{Air, Climate, Sensor};
use embassy_time::{Duration, Instant, Timer};
use product::Fault;

use crate::wiring::Wiring;

/// Temperatures that tell readings apart, in tenths of a degree, all that the series has: what is beyond
/// goes into the humidity.
const TEMPERATURES: u64 = 1_651;

/// The lowest of them.
const LOWEST: i64 = -400;

/// How many readings can be told apart.
pub const NUMBERS: u64 = TEMPERATURES * 1_001;

/// The sensor. Clones are the same one.
#[derive(Clone, Default)]
pub struct Dht11 {
    fault: Rc<Cell<Option<Fault>>>,
    /// How many readings were given, if they are numbered.
    numbered: Rc<Cell<Option<u64>>>,
}

impl Dht11 {
    /// Breaks it, or mends it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.fault.set(fault);
    }

    /// Makes every reading from now on another one, by which [`number_of`] knows it: the first is
    /// number 0.
    pub fn number_readings(&self) {
        self.numbered.set(Some(0));
    }

    /// How many numbered readings were given so far.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.numbered.get().unwrap_or(0)
    }
}

/// What the stock product is wired to.
impl Wiring for Dht11 {
    type Product = Climate<Self>;

    fn product(&self) -> Climate<Self> {
        Climate::new(self.clone())
    }
}

impl Sensor for Dht11 {
    async fn read(&mut self) -> Result<Air, Fault> {
        // As long as its forty bits take.
        Timer::after(Duration::from_millis(23)).await;
        if let Some(fault) = self.fault.get() {
            return Err(fault);
        }
        Ok(match self.numbered.get() {
            None => climate(Instant::now().as_secs()),
            Some(number) => {
                self.numbered.set(Some(number + 1));
                numbered(number)
            }
        })
    }
}

/// The reading of this number. Beyond [`NUMBERS`] they begin again.
fn numbered(number: u64) -> Air {
    let number = number % NUMBERS;
    Air {
        temperature_decicelsius: Some((LOWEST + (number % TEMPERATURES) as i64) as i16),
        humidity_permille: Some((number / TEMPERATURES) as u16),
    }
}

/// Which numbered reading this is, in degrees and percent as the device tells them; none if it is
/// no numbered one.
#[must_use]
pub fn number_of(temperature: f64, humidity: f64) -> Option<u64> {
    let tenths = |value: f64| {
        let tenths = (value * 10.0).round();
        ((tenths / 10.0 - value).abs() < 1e-6).then_some(tenths as i64)
    };
    let low = u64::try_from(tenths(temperature)? - LOWEST).ok()?;
    let high = u64::try_from(tenths(humidity)?).ok()?;
    (low < TEMPERATURES && high <= 1_000).then(|| high * TEMPERATURES + low)
}

/// The room's climate: two waves, one of ten minutes and one of a minute, so that a chart shows
/// something within a demo.
fn climate(second: u64) -> Air {
    let wave = |period: f64| (second as f64 / period * std::f64::consts::TAU).sin();
    let warmth = 3.0 * wave(600.0) + 0.8 * wave(61.0);
    Air {
        temperature_decicelsius: Some((220.0 + 10.0 * warmth).round() as i16),
        // A DHT11 resolves whole percents.
        humidity_permille: Some(((45.0 - 1.5 * warmth).round() * 10.0) as u16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_readings_are_told_apart() {
        for number in [0, 1, 399, 400, 1_650, 1_651, 1_234_567, NUMBERS - 1] {
            let reading = numbered(number);
            let temperature = f64::from(reading.temperature_decicelsius.unwrap()) / 10.0;
            let humidity = f64::from(reading.humidity_permille.unwrap()) / 10.0;
            assert_eq!(number_of(temperature, humidity), Some(number));
        }
        assert_eq!(number_of(21.55, 40.0), None);
        assert_eq!(number_of(21.5, 100.1), None);
        assert_eq!(number_of(-40.1, 40.0), None);
    }
}
