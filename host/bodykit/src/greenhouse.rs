//! A greenhouse on a host: its sensor answers on a simulated I2C bus, its relay and its button are
//! wires that can be looked at and pulled.

use std::cell::Cell;
use std::rc::Rc;

use embassy_time::{Delay, Instant};
use greenhouse::Greenhouse;
use greenhouse::model::{Climate, Pin, Sht4x, Wire};

use crate::Wiring;

/// The hardware. Clones are the same.
#[derive(Clone)]
pub struct Glasshouse {
    /// Whether the pump runs: the relay closes when it is high.
    pub relay: Rc<Wire>,
    /// The button, which is pressed when it is low.
    pub button: Rc<Wire>,
    climate: Rc<Cell<Option<Climate>>>,
}

impl Default for Glasshouse {
    fn default() -> Self {
        Self {
            relay: Rc::default(),
            button: Rc::new(Wire::new(true)),
            climate: Rc::default(),
        }
    }
}

impl Glasshouse {
    /// Makes the sensor say this from now on, in tenths of a degree and of a percent; or the weather again.
    pub fn set_climate(&self, climate: Option<Climate>) {
        self.climate.set(climate);
    }
}

impl Wiring for Glasshouse {
    type Product = Greenhouse<Sht4x<Box<dyn Fn() -> Climate>>, Pin<Rc<Wire>>, Pin<Rc<Wire>>, Delay>;

    fn product(&self) -> Self::Product {
        let climate = self.climate.clone();
        let weather = move || {
            climate
                .get()
                .unwrap_or_else(|| weather(Instant::now().as_secs()))
        };
        Greenhouse::new(
            Sht4x::new(Box::new(weather)),
            Pin(self.relay.clone()),
            Pin(self.button.clone()),
            Delay,
        )
    }
}

/// A warm day every ten minutes.
fn weather(second: u64) -> Climate {
    let wave = (second as f64 / 600.0 * std::f64::consts::TAU).sin();
    let tenths = |value: f64| (value * 10.0).round() as i32;
    Ok((tenths(18.0 + 12.0 * wave), tenths(60.0 - 20.0 * wave)))
}
