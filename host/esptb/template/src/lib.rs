//! The product: a thermometer on I2C (TMP102) and a relay. Make it yours: this file says all that the
//! device knows of it, and the device brings the rest, from the box to trusted telemetry.

#![no_std]

pub mod model;

use embedded_hal::digital::OutputPin;
use embedded_hal::i2c::Error as _;
use embedded_hal_async::i2c::I2c;
use product::{Attributes, Calls, Faults, Product, Refusal, Series, call, shared};

/// The sensor's address on the bus.
const ADDRESS: u8 = 0x48;
/// The sensor's register of the temperature, in sixteenths of a degree from bit 4 on.
const TEMPERATURE: u8 = 0x00;

/// The product, with the hardware that a board lends it.
pub struct @Type@<I, R> {
    bus: I,
    relay: R,
    on: bool,
}

/// What is measured at one moment. What is not known is `None`, never zero.
pub struct Moment {
    decicelsius: Option<i32>,
    on: Option<bool>,
}

impl<I: I2c, R: OutputPin> @Type@<I, R> {
    /// The product, with its relay open.
    pub fn new(bus: I, relay: R) -> Self {
        let on = false;
        Self { bus, relay, on }
    }

    async fn switch(&mut self, on: bool) -> Result<(), Refusal> {
        let set = self.relay.set_state(on.into());
        set.map_err(|_| Refusal("the relay's pin does not work: check the board"))?;
        self.on = on;
        Ok(())
    }
}

impl<I: I2c, R: OutputPin> Product for @Type@<I, R> {
    const NAME: &'static str = "@name@";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Reading = Moment;

    // Key, unit, places, range in steps of the last place, and where a reading has it.
    const SERIES: &'static [Series<Moment>] = &[
        Series::decimal("temperature", "°C", 1, -550..=1_500, |moment| {
            moment.decicelsius
        }),
        Series::boolean("on", |moment| moment.on),
    ];

    // Each interval.
    async fn sample(&mut self, faults: &mut Faults) -> Moment {
        let mut bytes = [0; 2];
        let read = self.bus.write_read(ADDRESS, &[TEMPERATURE], &mut bytes);
        let read = faults.ok(read.await.map_err(|error| error.kind()));
        let sixteenths = i32::from(i16::from_be_bytes(bytes) >> 4);
        Moment {
            decicelsius: read.map(|()| (sixteenths * 10).div_euclid(16)),
            on: Some(self.on),
        }
    }

    // What the server can ask for.
    fn calls() -> impl Calls<Self> {
        call("switch", Self::switch)
    }

    // What the server can set, and is told back.
    fn attributes() -> impl Attributes<Self> {
        shared("on", |me: &Self| me.on, Self::switch)
    }

    // What nobody watches is switched off.
    async fn offline(&mut self) {
        let _ = self.switch(false).await;
    }

    async fn restarting(&mut self) {
        let _ = self.switch(false).await;
    }
}
