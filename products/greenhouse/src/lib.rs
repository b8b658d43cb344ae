//! A greenhouse: temperature and humidity by an SHT4x on I2C, a pump behind a relay, a button.
//!
//! The pump is the server's to switch, by call or by attribute. It stands still when nobody has answered
//! for a minute, and when the device restarts: water that nobody can stop is worse than none.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A device is one task: its futures need no `Send`.
#![allow(async_fn_in_trait)]

#[cfg(any(feature = "model", test))]
pub mod model;
#[cfg(test)]
mod tests;

use embedded_hal::digital::OutputPin;
use embedded_hal_async::{delay::DelayNs, digital::Wait, i2c::I2c};
use product::{
    Attributes, Calls, Fault, Faults, Fixed, Product, Refusal, Series, call, client, shared,
};
use sht4x::{Error, Precision, Sht4xAsync};

/// A greenhouse, with the hardware that a board lends it.
pub struct Greenhouse<I, R, B, D> {
    sensor: Sht4xAsync<I, D>,
    /// Closes when its pin is high.
    relay: R,
    /// Pulls its pin low.
    button: B,
    delay: D,
    pumping: bool,
    pressed: bool,
    frost_limit: FrostLimit,
    sensor_serial: Option<u32>,
}

/// What is measured at one moment, or what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    temperature_decicelsius: Option<i32>,
    humidity_permille: Option<i32>,
    frost: Option<bool>,
    pumping: Option<bool>,
    button: Option<bool>,
}

/// Below this temperature there is frost: -10.0 to 10.0 °C.
type FrostLimit = Fixed<1, -100, 100>;

impl<I: I2c, R: OutputPin, B: Wait, D: DelayNs> Greenhouse<I, R, B, D> {
    /// A greenhouse whose pump stands still.
    pub fn new(bus: I, mut relay: R, button: B, delay: D) -> Self {
        // A pin that cannot be set now says so when the pump is to run.
        let _ = relay.set_low();
        Self {
            sensor: Sht4xAsync::new(bus),
            relay,
            button,
            delay,
            pumping: false,
            pressed: false,
            frost_limit: FrostLimit::new(20).expect("it is in range"),
            sensor_serial: None,
        }
    }

    async fn pump(&mut self, on: bool) -> Result<(), Refusal> {
        let set = self.relay.set_state(on.into());
        set.map_err(|_| Refusal("the relay's pin does not work: check the board"))?;
        self.pumping = on;
        Ok(())
    }

    async fn is_pumping(&mut self, (): ()) -> Result<bool, Refusal> {
        Ok(self.pumping)
    }

    async fn limit_frost(&mut self, limit: FrostLimit) -> Result<(), Refusal> {
        self.frost_limit = limit;
        Ok(())
    }
}

impl<I: I2c, R: OutputPin, B: Wait, D: DelayNs> Product for Greenhouse<I, R, B, D> {
    const NAME: &'static str = "greenhouse";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const OFFLINE_AFTER_S: u32 = 60;

    type Reading = Moment;
    const SERIES: &'static [Series<Moment>] = &[
        Series::decimal("temperature", "°C", 1, -400..=1_250, |m| {
            m.temperature_decicelsius
        }),
        Series::decimal("humidity", "%", 1, 0..=1_000, |m| m.humidity_permille),
        Series::boolean("frost", |m| m.frost),
        Series::boolean("pumping", |m| m.pumping),
        Series::boolean("button", |m| m.button),
    ];

    async fn sample(&mut self, faults: &mut Faults) -> Moment {
        if self.sensor_serial.is_none() {
            self.sensor_serial = self.sensor.serial_number(&mut self.delay).await.ok();
        }
        let air = self.sensor.measure(Precision::High, &mut self.delay).await;
        let air = faults.ok(air.map_err(fault));
        let temperature = air.map(|air| tenths(air.temperature_milli_celsius()));
        Moment {
            temperature_decicelsius: temperature,
            // The sensor's formula goes a little beyond both ends.
            humidity_permille: air.map(|air| tenths(air.humidity_milli_percent()).clamp(0, 1_000)),
            frost: temperature.map(|temperature| temperature < self.frost_limit.value()),
            pumping: Some(self.pumping),
            button: None,
        }
    }

    async fn event(&mut self) -> Moment {
        loop {
            // Levels, for an edge could pass while a sample is taken.
            let waited = match self.pressed {
                true => self.button.wait_for_high().await,
                false => self.button.wait_for_low().await,
            };
            if waited.is_err() {
                core::future::pending::<()>().await;
            }
            if !self.pressed {
                self.pressed = true;
                return Moment {
                    button: Some(true),
                    ..Moment::default()
                };
            }
            // Contacts bounce.
            self.delay.delay_ms(30).await;
            self.pressed = false;
        }
    }

    fn calls() -> impl Calls<Self> {
        (
            call("setPump", Self::pump),
            call("isPumping", Self::is_pumping),
        )
    }

    fn attributes() -> impl Attributes<Self> {
        (
            shared("pump", |me: &Self| me.pumping, Self::pump),
            shared("frostLimit", |me: &Self| me.frost_limit, Self::limit_frost).kept(),
            client("sensorSerial", |me: &Self| me.sensor_serial),
        )
    }

    async fn offline(&mut self) {
        let _ = self.pump(false).await;
    }

    async fn restarting(&mut self) {
        let _ = self.pump(false).await;
    }
}

/// Tenths from thousandths, to the nearest.
fn tenths(thousandths: i32) -> i32 {
    (thousandths + 50).div_euclid(100)
}

fn fault<E: embedded_hal::i2c::Error>(error: Error<E>) -> Fault {
    match error {
        Error::I2c(error) => error.kind().into(),
        _ => Fault::Garbled,
    }
}
