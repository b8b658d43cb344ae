//! A greenhouse whose sensor answers on a simulated bus, and whose wires lead nowhere.

use embassy_time::{Delay, Instant};
use greenhouse::Greenhouse;
use greenhouse::model::{Pin, Sht4x, Wire};
use product::Product;

/// The greenhouse.
pub(crate) fn product() -> impl Product {
    let sensor = Sht4x::new(|| Ok(weather(Instant::now().as_secs())));
    let (relay, button) = (Pin(Wire::new(false)), Pin(Wire::new(true)));
    Greenhouse::new(sensor, relay, button, Delay)
}

/// A minute is a day.
fn weather(second: u64) -> (i32, i32) {
    let second = (second % 60) as i32;
    let warmth = if second < 30 { second } else { 60 - second };
    (150 + 4 * warmth, 700 - 10 * warmth)
}
