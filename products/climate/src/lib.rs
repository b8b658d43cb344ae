//! The stock product: temperature and humidity of a room, by a DHT11 or DHT22.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A device is one task: its futures need no `Send`.
#![allow(async_fn_in_trait)]

pub mod dht;

use product::{Fault, Faults, Product, Series};

/// The climate of the place where the sensor `S` is.
pub struct Climate<S> {
    sensor: S,
}

impl<S: Sensor> Climate<S> {
    /// The climate as this sensor has it.
    pub const fn new(sensor: S) -> Self {
        Self { sensor }
    }
}

/// What is measured at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Air {
    /// Temperature in tenths of a degree Celsius.
    pub temperature_decicelsius: Option<i16>,
    /// Relative humidity in tenths of a percent.
    pub humidity_permille: Option<u16>,
}

/// A sensor of temperature and humidity.
pub trait Sensor {
    /// Measures once; a DHT11 needs about 25 ms and a second of rest between two calls.
    ///
    /// # Errors
    ///
    /// See [`Fault`].
    async fn read(&mut self) -> Result<Air, Fault>;
}

impl<S: Sensor> Product for Climate<S> {
    const NAME: &'static str = "climate";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Reading = Air;
    const SERIES: &'static [Series<Air>] = &[
        Series::decimal("temperature", "\u{b0}C", 1, -400..=1_250, |air| {
            air.temperature_decicelsius.map(i32::from)
        }),
        Series::decimal("humidity", "%", 1, 0..=1_000, |air| {
            air.humidity_permille.map(i32::from)
        }),
    ];

    async fn sample(&mut self, faults: &mut Faults) -> Air {
        faults.ok(self.sensor.read().await).unwrap_or_default()
    }
}
